"""What came of it: tables between the marks of docs/scaling.md, and plots beside it."""

import fit
import plots
from measure import Failed
from model import CORES, USABLE

BEGIN, END = "<!-- measured: made by `make scaling` -->", "<!-- /measured -->"
STYLE = """svg{background:#fcfcfb;font-family:system-ui,sans-serif}text{fill:#1d1d1b;font-size:10px}.name{font-size:12px;font-weight:600}.tick{fill:#5f5f5a}
.grid{stroke:#dcdcd6;stroke-width:.7}.axis{stroke:#5f5f5a}.line{fill:none;stroke-width:1.8}.mark{stroke:#fcfcfb;stroke-width:.8}.fit{stroke:#8d8d86;stroke-dasharray:4 3;stroke-width:1.2}
.a{stroke:#1f5fbf}.mark.a{fill:#1f5fbf}.b{stroke:#c8590f}.mark.b{fill:#c8590f}.c{stroke:#8a2f8f}.mark.c{fill:#8a2f8f}
@media(prefers-color-scheme:dark){svg{background:#17181a}text{fill:#e8e7e3}.tick{fill:#a3a29c}.grid{stroke:#3a3b3e}.axis{stroke:#a3a29c}.mark{stroke:#17181a}
.a{stroke:#77aaff}.mark.a{fill:#77aaff}.b{stroke:#f19a55}.mark.b{fill:#f19a55}.c{stroke:#d68adb}.mark.c{fill:#d68adb}}"""
LABELS = {"1080p": "1080p50", "2160p": "2160p50", "2160p-hevc": "2160p50 with HEVC"}
SERIES = {
    "rungs": ("The first 1 to 6 rungs of avc-1080p-6", "Mpx/s made", "rungs"),
    "equal": ("1 to 6 equal rungs of 360p", "rungs", "rungs-alike"),
    "pixels": ("One rung of each size", "Mpx/s made", "pixels"),
    "rate": ("avc-1080p-6 at other frame rates", "pictures a second", "rate"),
}


def write(kept, out):
    """The plots, then the part of the page between its marks."""
    fits = {name: fit.line([(point["x"], point["cpu"]) for point in kept["series"][name]]) for name in SERIES if name in kept["series"]}
    for name, found in fits.items():
        title, x_name, file = SERIES[name]
        (out / f"scaling-{file}.svg").write_text(alone(line_plot(title, x_name, kept["series"][name], found)))
    (out / "scaling-cores.svg").write_text(alone(speed_plot(kept)))
    page = out / "scaling.md"
    text = page.read_text() if page.exists() else f"# Scaling\n\n{BEGIN}\n{END}\n"
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise Failed(f"{page} does not have the lines {BEGIN} and {END} once each")
    parts = [heading(kept), laws(kept, fits), cores(kept), stages(kept), *[held(key, rows) for key, rows in kept["model"]["ladders"].items()]]
    head, rest = text.split(BEGIN)
    page.write_text(f"{head}{BEGIN}\n" + "\n\n".join(part for part in parts if part) + f"\n{END}{rest.split(END)[1]}")


def alone(svg):
    """A plot as a file of its own."""
    return svg.replace("<svg ", f'<svg xmlns="http://www.w3.org/2000/svg" width="{2 * plots.WIDTH}" height="{2 * plots.HEIGHT}" ', 1).replace(">", f"><style>{STYLE}</style>", 1) + "\n"


def line_plot(title, x_name, points, found):
    first, last = points[0]["x"], points[-1]["x"]
    along = [(x, found["constant"] + found["slope"] * x, "") for x in (0, max(first, last))]
    dots = [(point["x"], point["cpu"], f"{point.get('label', '')} {point['cpu']:.3f} s") for point in points]
    return plots.plot(title, [plots.Line("a", "circle", dots, joined=False), plots.Line("fit", None, along)], x_name, "CPU s per s of feed", log=False, zero=True)


def speed_plot(kept):
    """Times real time of one worker over cores, as simulated, with what was measured."""
    lines = []
    for kind, mark, (key, rows) in zip("abc", ("circle", "square", "triangle"), kept["model"]["ladders"].items()):
        dots = [(point["cores"], point["speed"], f"{rows['title']}, {point['cores']} cores: {point['speed']:.2f}") for point in rows["speed"]]
        lines.append(plots.Line(kind, mark, dots, label=LABELS[key]))
    lines.append(plots.Line("fit", None, [(1, 1, ""), (192, 1, "")]))
    return plots.plot("One worker at full speed, simulated", lines, "cores", "times real time", zero=True)


def heading(kept):
    feeds = "; ".join(f"{feed['name']} ({feed['rate']:.4g} pictures a second, {feed['seconds']:.1f} s)" for feed in kept["feeds"].values())
    points = [point for rows in kept["series"].values() for point in rows]
    busy = max(point["others"] for point in points)
    warning = f" **The machine was shared with other work (at most {busy:.0%}): wall says little, and CPU is somewhat more than alone.**" if busy > 0.02 else ""
    where = f"{kept['date']}, {kept['machine']['cpu']}, {kept['machine']['cores']} cores. {kept['mezzo']}. Feeds: {feeds}."
    return f"{where} Of {kept['runs']} run{'s' * (kept['runs'] > 1)} each the one that took least CPU counts. [All numbers](scaling.json).{warning}"


def laws(kept, fits):
    """A line each."""
    rows = ["| CPU seconds for a second of feed, against | constant | slope | largest deviation | at |", "|---|---|---|---|---|"]
    for name, found in fits.items():
        title, x_name, file = SERIES[name]
        unit = {"rungs": "a Mpx/s", "pixels": "a Mpx/s", "equal": "a rung", "rate": "a picture a second"}[name]
        good = "" if abs(found["worst"]) <= 0.1 else "**"
        rows.append(f"| [{title.lower()}](scaling-{file}.svg) | {found['constant']:.3f} | {found['slope']:.4f} {unit} | {good}{found['worst']:+.1%}{good} | {found['worst_at']:.4g} {x_name} |")
    table = ["", "| series | x: measured (off the line) |", "|---|---|"]
    for name, found in fits.items():
        cells = ", ".join(f"{point['x']:.4g}: {point['cpu']:.3f} ({off:+.1%})" for point, off in zip(kept["series"][name], found["deviations"]))
        table.append(f"| {SERIES[name][0].lower()} | {cells} |")
    return "\n".join(rows + table) + "\n\n" + "\n".join(f"![{SERIES[name][0]}](scaling-{SERIES[name][2]}.svg)" for name in fits)


def cores(kept):
    """Cores as measured, and as the model has them."""
    rows = ["### Cores, measured and simulated", "", "| cores | CPU s per s of feed | wall, s | cores busy | simulated wall, s | off |", "|---|---|---|---|---|---|"]
    for point, said in zip(kept["series"]["cores"], kept["model"]["validation"]):
        rows.append(f"| {point['x']} | {point['cpu']:.3f} | {said['measured']:.2f} | {point['cpu'] / (point['wall'] * point['x']):.0%} | {said['simulated']:.2f} | {said['off']:+.1%} |")
    return "\n".join(rows) + "\n\n![One worker at full speed on so many cores, simulated](scaling-cores.svg)"


def stages(kept):
    """What the model is made of, in thousandths of a second for a picture."""
    rows = ["### Stages, measured by thread", "", "| ladder, feed | decoding | scaling | rungs | all else, s per s |", "|---|---|---|---|---|"]
    for cost in kept["costs"].values():
        rungs = ", ".join(f"{rung['name']} {rung['seconds'] * 1000:.1f}" for rung in cost["rungs"])
        rows.append(f"| {cost['ladder']} of {cost['width']}x{cost['height']} | {cost['decode'] * 1000:.1f} | {cost['scale'] * 1000:.1f} | {rungs} | {cost['other']:.3f} |")
    return "\n".join(rows) + "\n\nMilliseconds of a core for a picture."


def held(key, rows):
    """How many such ladders a machine holds, and what limits one worker."""
    least = min(rows["ceilings"].items(), key=lambda item: item[1])
    parts = [f"### {rows['title']}", ""]
    stages = ", ".join(f"{name} {value:.2f}" for name, value in sorted(rows["ceilings"].items(), key=lambda item: item[1]))
    never = ": it is not held in real time by any number of cores" if least[1] < 1 else ""
    parts.append(f"One takes {rows['load']:.2f} cores. Stages of one worker, times real time, whatever the cores: {stages}. **{least[0]} is the limit**{never}.")
    parts += ["", *table(rows["held"], rows["usable"], rows["part"])]
    if "more" in rows:
        wider = ", ".join(f"{name} {lanes}" for name, lanes in rows["more"]["lanes"].items() if lanes != next(rung["lanes"] for rung in rows["rungs"] if rung["name"] == name))
        limit = min(rows["more"]["ceilings"].items(), key=lambda item: item[1])
        wider = ", ".join(part for part in (wider, f"{rows['more']['scalers']} pictures scaled at once" if rows["more"]["scalers"] > 1 else "") if part)
        parts += ["", f"Were there as many lanes as each rung needs ({wider}), the limit would be {limit[0]}, at {limit[1]:.2f} times real time:", "", *table(rows["more"]["held"], rows["more"]["usable"])]
    parts += ["", "One worker at full speed, times real time: " + ", ".join(f"{point['cores']} {'core' if point['cores'] == 1 else 'cores'} {point['speed']:.2f}" for point in rows["speed"]) + "."]
    return "\n".join(parts)


def table(held_by, usable, part=()):
    """Of how many workers a machine holds, or which rungs of one; keys are numbers, or texts where they come out of JSON."""
    rows = [f"| cores | held at once | cores busy | latency, median | latency, most | at {USABLE:.0%} of the cores: held, latency |", "|---|---|---|---|---|---|"]
    for cores in CORES:
        found, planned = (where.get(cores, where.get(str(cores))) for where in (held_by, usable))
        rungs = part and part.get(cores, part.get(str(cores)))
        if not found:
            some = rungs and f"none whole; {rungs['count']} from {rungs['from']} down | {rungs['load']:.0%} | {rungs['latency']:.2f} s | {rungs['latency_most']:.2f} s | |"
            rows.append(f"| {cores} | " + (some or "none | | | | |"))
            continue
        fewer = f"{planned['count']}, {planned['latency_most']:.2f} s" if planned else "none"
        rows.append(f"| {cores} | {found['count']} | {found['load']:.0%} | {found['latency']:.2f} s | {found['latency_most']:.2f} s | {fewer} |")
    return rows
