"""One cell of the report: its plots, and its numbers."""

import html
import statistics

import plots
import results

NAMES = {"mezzo": "mezzo", "ffmpeg-9": "FFmpeg 9", "ffmpeg-debian": "Debian's FFmpeg", "gstreamer": "GStreamer"}
SHAPES = {"mezzo": "circle", "ffmpeg-9": "square", "ffmpeg-debian": "triangle", "gstreamer": "diamond"}


def cell(cell, pairs):
    """Heading, plots, tables."""
    programs = ["mezzo", *results.peers(cell)]
    count, runs, most = results.others(cell)
    shared = f'<p class="box">Others used the machine during {count} of {runs} runs, at most {most:.0%} of it: wall says little, and CPU is somewhat more than alone.</p>' if count else ""
    drawn = [cost(cell, programs), *[distortion(cell, rung, programs) for rung in cell["rungs"]]] if cell["vmaf"] else [cost(cell, programs)]
    ours = ", ".join(f"{rung['name']} {rung['point']} by {rung['backends'][0]}" for rung in cell["rungs"])
    return f"""<h2 id="{cell["cell"]}">{html.escape(cell["cell"])}</h2>
<p>{html.escape(cell["content"][:1].upper() + cell["content"][1:])}. {html.escape(source(cell))}, {cell["seconds"]:.1f} s; ladder {html.escape(str(cell["settings"]["ladder"]))}.
<span class="soft">{html.escape(cell["feed"])}. mezzo's points: {html.escape(ours)}.</span></p>
{f"<p>{html.escape(cell['note'])}</p>" if cell["note"] else ""}{shared}
<div class="plots">{"".join(drawn)}</div>
<details><summary>Numbers</summary><div class="wide">{costs(cell, programs, pairs)}</div><div class="wide">{rungs(cell, programs)}</div></details>"""


def source(cell):
    return f"{cell['source']['width']}x{cell['source']['height']} at {cell['source']['rate']}"


def kbps(cell, size):
    return size * 8 / 1000 / cell["seconds"]


def distortion(cell, rung, programs):
    """VMAF over kb/s."""
    lines = []
    for name in programs:
        made = [(point, results.good(point, name)) for point in cell["points"] if results.good(point, name)]
        there = [(point, one["rungs"][rung["name"]]) for point, one in made if "vmaf" in one["rungs"][rung["name"]]]
        dots = [(kbps(cell, of["bytes"]), of["vmaf"], f"{NAMES[name]}, point {point['number'] + 1}: {kbps(cell, of['bytes']):.0f} kb/s, VMAF {of['vmaf']:.2f}") for point, of in there]
        lines.append(plots.Line(name, SHAPES[name], dots))
    return plots.plot(rung["name"], lines, "kb/s", "VMAF")


def cost(cell, programs):
    """CPU seconds for a second of the feed over kb/s of all rungs."""
    lines = []
    for name in programs:
        made = [(point, results.good(point, name)) for point in cell["points"] if results.good(point, name)]
        at = [(point["number"] + 1, kbps(cell, results.total(one)), middle(one, "cpu")) for point, one in made]
        dots = [(rate, cpu / cell["seconds"], f"{NAMES[name]}, point {number}: {rate:.0f} kb/s, {cpu:.2f} s") for number, rate, cpu in at]
        lines.append(plots.Line(name, SHAPES[name], dots))
    return plots.plot("cost", lines, "kb/s of all rungs", "CPU s per s of feed", zero=True)


def middle(made, what):
    return statistics.median(run[what] for run in made["runs"])


def costs(cell, programs, pairs):
    """A row for each point and program."""
    rows, by_peer = [], {pair.peer: pair for pair in pairs}
    for point in cell["points"]:
        for n, name in enumerate(programs):
            made = results.good(point, name)
            if not made:
                continue
            values = ["" if n else f"{point['number'] + 1}: caps x {point['cap']:g}, CRF + {point['crf']}", html.escape(NAMES[name]), f"{kbps(cell, results.total(made)):.0f}"]
            values += [f"{middle(made, 'cpu'):.2f}", f"{middle(made, 'wall'):.2f}", f"{middle(made, 'memory') / 1e6:.0f}", f"{max(run['others'] for run in made['runs']):.0%}"]
            pair = by_peer.get(name)
            if pair and point["number"] in pair.points:
                at = pair.points.index(point["number"])
                values += [f"{pair.same['bytes'][at]:.3f}", *[ratio(pair.same[what][at]) for what in ("cpu", "wall", "memory")]]
            else:
                values += [""] * 4
            rows.append(f'<tr{"" if n else " class=first"}>{cells(values, words=2)}</tr>')
    return f'<table>{head(["point", "program", "kb/s", "CPU, s", "wall, s", "memory, MB", "others", "mezzo to it: bytes", "CPU", "wall", "memory"], words=2)}{"".join(rows)}</table>'


def rungs(cell, programs):
    """A row for each rung and point."""
    rows = []
    for rung in cell["rungs"]:
        for n, point in enumerate(cell["points"]):
            values = ["" if n else html.escape(rung["name"]), str(point["number"] + 1)]
            for name in programs:
                made = results.good(point, name)
                of = made["rungs"][rung["name"]] if made else None
                values += [f"{kbps(cell, of['bytes']):.0f}<small>{of['of_cap']:.0%} of cap</small>" if of else ""]
                values += [f"{of['vmaf']:.2f}<small>{of['worst']:.1f}</small>" if of and "vmaf" in of else ""] if cell["vmaf"] else []
            rows.append(f'<tr{"" if n else " class=first"}>{cells(values, words=1)}</tr>')
    titles = [title for name in programs for title in ([f"{NAMES[name]}, kb/s, largest segment", "VMAF, worst 5 %"] if cell["vmaf"] else [f"{NAMES[name]}, kb/s, largest segment"])]
    return f'<table>{head(["rung", "point", *titles], words=1)}{"".join(rows)}</table>'


def head(titles, words):
    """The first `words` columns are words, the others numbers."""
    return "<tr>" + "".join(f"<th{' class=words' * (n < words)}>{html.escape(title)}</th>" for n, title in enumerate(titles)) + "</tr>"


def cells(values, words):
    """Likewise."""
    return "".join(f"<td{' class=words' * (n < words)}>{value}</td>" for n, value in enumerate(values))


def ratio(value):
    """A Ratio with its spread."""
    return "n/a" if value is None else f"{value.middle:.3f}<small>{value.least:.3f} to {value.most:.3f}</small>"


def verdict(value, goal):
    """Likewise, and whether it reaches its goal."""
    if value is None or goal is None:
        return ratio(value)
    good = value.middle <= goal
    return f'<span class="{"good" if good else "bad"}">{value.middle:.3f} {"≤" if good else ">"} {goal:.2f}</span><small>{value.least:.3f} to {value.most:.3f}</small>'


def percent(value):
    return f"{value * 100:+.1f} %".replace("-", "−")


def rate(value):
    """A BD-rate, or why there is none."""
    if value is None:
        return ""
    if isinstance(value, str):
        return f"n/a<small>{html.escape(value)}</small>"
    return f'<span class="{"good" if value <= 0 else "bad"}">{percent(value)}</span>'
