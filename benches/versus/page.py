"""The report as one HTML page that needs nothing else: what is kept of each cell, in tables and plots."""

import html
import json
import pathlib
import statistics

import plots
import results
import section
from measure import Failed
from section import NAMES, SHAPES, percent, ratio, verdict

STYLE = pathlib.Path(__file__).resolve().parent / "page.css"
ENCODERS = {"avc": "x264", "hevc": "x265", "av1": "SVT-AV1"}
GOALS = {"cpu": "CPU", "wall": "wall", "memory": "peak memory"}


def write(folder, order, goals, out):
    """Renders all cells that are kept in `folder`, in this order, those that are in no matrix any more last. Says which file it wrote."""
    kept = {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}
    cells = [kept[name] for name in sorted(kept, key=lambda name: (order.index(name) if name in order else len(order), name)) if kept[name]["points"]]
    if not cells:
        raise Failed(f"nothing is kept in {folder} yet: there is nothing to show")
    compared = [(cell, [results.beside(cell, peer) for peer in results.peers(cell)]) for cell in cells]
    missing = [name for name in order if name not in kept]
    date = folder.name
    names = [name for name in NAMES if any(name in results.peers(cell) for cell in cells)]
    parts = [
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>mezzo beside others, {date}</title><style>{STYLE.read_text()}</style>',
        f"<h1>mezzo beside {html.escape(', '.join(NAMES[name] for name in names))}</h1>",
        f'<p class="soft">{date}. {where(cells)}</p>',
        "<h2>In short</h2>",
        in_short(compared, goals, missing),
        summary(compared, goals),
        by_rung(compared),
        "<h2>How it was measured</h2>",
        how(cells),
        f'<div class="keys">{"".join(plots.key(name, SHAPES[name], NAMES[name]) for name in ["mezzo", *names])}</div>',
        *[section.cell(cell, pairs) for cell, pairs in compared],
    ]
    out.write_text("\n".join(part for part in parts if part) + "\n</html>\n")
    return out


def where(cells):
    """Machines and programs, each said once."""
    machines = {f"{cell['machine']['cpu']}, {cell['machine']['cores']} cores, {cell['machine']['memory'] / 2**30:.0f} GiB" for cell in cells}
    said, made = {}, {}
    for cell in cells:
        for name, version in cell["versions"].items():
            said.setdefault(name, set()).add(version)
        for name, marks in cell.get("encoders", {}).items():
            made.setdefault(name, set()).update(marks)
    programs = [", ".join(sorted(said[name])) + (f" (with {', '.join(sorted(made[name]))})" if made.get(name) else "") for name in NAMES if name in said]
    return html.escape(f"{'; '.join(sorted(machines))}. {'; '.join(programs)}.")


def goals_of(cell, goals):
    """Those of the ladder's codec; none where there are several."""
    codecs = {rung["codec"] for rung in cell["rungs"]}
    return goals.get(codecs.pop(), {}) if len(codecs) == 1 else {}


def in_short(compared, goals, missing):
    """Goals reached and missed, rungs that need more bytes than a peer's, and what makes numbers doubtful: as plainly as the rest."""
    lines = []
    for what, word in GOALS.items():
        beside = [(cell, getattr(pair, what)) for cell, pairs in compared for pair in pairs if pair.peer == "ffmpeg-9"]
        held = [(cell, value, goals_of(cell, goals)[what]) for cell, value in beside if value and what in goals_of(cell, goals)]
        for goal in sorted({goal for _, _, goal in held}, reverse=True):
            of_goal = [(cell["cell"], value.middle) for cell, value, other in held if other == goal]
            reached = [name for name, value in of_goal if value <= goal]
            far = [f"{name} {value:.3f}" for name, value in of_goal if value > goal]
            state = f'<span class="good">reached in all {len(of_goal)}</span>'
            if far:
                state = f'<span class="bad">missed in {len(far)} of {len(of_goal)}</span>: {html.escape(", ".join(far))}' + (f"; reached in {', '.join(reached)}" if reached else "")
            equal = "" if what == "memory" else "at equal bytes, "
            lines.append(f"{word} beside FFmpeg 9, {equal}goal {goal:.2f} at most ({', '.join(name for name, _ in of_goal)}): {state}.")
    rates = [(value, cell["cell"], pair.peer, rung) for cell, pairs in compared for pair in pairs for rung, value in pair.bd.items() if isinstance(value, float)]
    for peer in dict.fromkeys(peer for _, _, peer, _ in rates):
        own = sorted(rate for rate in rates if rate[2] == peer)
        worse = [f"{name} {rung} {percent(value)}" for value, name, _, rung in reversed(own) if value > 0]
        text = f"BD-rate beside {NAMES[peer]}, {len(own)} rungs: {percent(own[0][0])} to {percent(own[-1][0])}, median {percent(statistics.median(rate[0] for rate in own))}; "
        state = '<span class="good">fewer bytes for the same VMAF in all</span>.'
        if worse:
            state = f'<span class="bad">more bytes for the same VMAF in {len(worse)}</span>: {html.escape(", ".join(worse))}.'
        lines.append(html.escape(text) + state)
    busy = [(cell["cell"], *results.others(cell)) for cell, _ in compared]
    if any(count for _, count, _, _ in busy):
        said = ", ".join(f"{name} {count} of {runs} runs, at most {most:.0%}" for name, count, runs, most in busy if count)
        lines.append(f'<span class="bad">The machine was shared with other work</span>: {html.escape(said)}. Wall says little there, and CPU is somewhat more than alone.')
    failed = [(NAMES[peer], cell["cell"], number + 1, why) for cell, _ in compared for peer, number, why in results.failures(cell)]
    lines += [f'<span class="bad">{html.escape(name)} failed</span> in {html.escape(where)}, point {number}: {html.escape(why)}' for name, where, number, why in failed]
    if missing:
        lines.append(f"Not measured: {html.escape(', '.join(missing))}.")
    return f"<ul>{''.join(f'<li>{line}</li>' for line in lines)}</ul>"


def summary(compared, goals):
    """A row for each cell and peer."""
    titles = ["cell", "beside", "CPU at equal bytes", "CPU, same caps and CRF", "bytes, likewise", "wall at equal bytes", "peak memory", "BD-rate, mean of rungs", "least VMAF difference at equal bytes"]
    rows = []
    for cell, pairs in compared:
        for n, pair in enumerate(pairs):
            goal = goals_of(cell, goals) if pair.peer == "ffmpeg-9" else {}
            first = "" if n else f'<a href="#{cell["cell"]}">{html.escape(cell["cell"])}</a><small>{html.escape(section.source(cell))}</small>'
            least = pair.vmaf_least()
            values = [
                first,
                html.escape(NAMES[pair.peer]) + (f"<small>{len(pair.points)} of 4 points</small>" if len(pair.points) < 4 else ""),
                verdict(pair.cpu, goal.get("cpu")),
                ratio(pair.same["cpu"][0]) if pair.same["cpu"] else "n/a",
                f"{pair.same['bytes'][0]:.3f}" if pair.same["bytes"] else "n/a",
                verdict(pair.wall, goal.get("wall")),
                verdict(pair.memory, goal.get("memory")),
                "not scored" if not cell["vmaf"] else "n/a" if pair.bd_mean() is None else percent(pair.bd_mean()),
                "not scored" if not cell["vmaf"] else "n/a" if least is None else f"{least[0]:+.2f}".replace("-", "−") + f"<small>{html.escape(least[1])}</small>",
            ]
            rows.append(f'<tr{"" if n else " class=first"}>{section.cells(values, words=2)}</tr>')
    return f"""<h2>All cells</h2><p class="soft">Ratios are mezzo's over the peer's: below 1 is less than the peer; median, and the least and the most of the runs below it. BD-rate is what mezzo needs at equal VMAF, negative
is less. "Same caps and CRF" is the first point. n/a: a peer that ran one point has no curve.</p><div class="wide"><table>{section.head(titles, words=2)}{"".join(rows)}</table></div>"""


def by_rung(compared):
    """BD-rates, a column for each height."""
    curves = [(cell, pair) for cell, pairs in compared for pair in pairs if any(isinstance(value, float) for value in pair.bd.values())]
    heights = sorted({rung["height"] for cell, pair in curves for rung in cell["rungs"]}, reverse=True)
    rows = []
    for cell, pair in curves:
        for codec in dict.fromkeys(rung["codec"] for rung in cell["rungs"]):
            by_height = {rung["height"]: pair.bd.get(rung["name"]) for rung in cell["rungs"] if rung["codec"] == codec}
            values = [html.escape(cell["cell"]), html.escape(NAMES[pair.peer]), codec.upper(), *[section.rate(by_height.get(height)) for height in heights]]
            rows.append(f"<tr>{section.cells(values, words=3)}</tr>")
    if not rows:
        return ""
    titles = ["cell", "beside", "codec", *[f"{height}p" for height in heights]]
    return f'<h3>BD-rate by rung</h3><div class="wide"><table>{section.head(titles, words=3)}{"".join(rows)}</table></div>'


def how(cells):
    """In sentences."""
    runs = sorted({cell["settings"]["runs"] for cell in cells})
    times = " or ".join({1: "once", 2: "twice"}.get(n, f"{n} times") for n in runs)
    subsample = sorted({cell["settings"]["subsample"] for cell in cells})
    every = ", ".join("every picture" if n == 1 else f"every {n}{ {2: 'nd', 3: 'rd'}.get(n, 'th')} picture" for n in subsample)
    presets = ", ".join(sorted({f"{ENCODERS[codec]} {preset}" for cell in cells for codec, preset in cell["presets"].items()}))
    gstreamer = any("gstreamer" in results.peers(cell) for cell in cells)
    return f"""<p>Four points: the ladder's caps times 1, 0.7, 0.5 and 0.35, with CRF 0, 3, 6 and 9 above the ladder's own, the same numbers for everybody. mezzo chooses its operating points and backends
itself; peers have {html.escape(presets)}, a buffer of 1 s of the cap, closed GOPs as long as mezzo's, no scene cuts. FFmpeg is one process with one decoder, a split, swscale's bicubic
and an encoder for each rung, fMP4 with HLS.
{"GStreamer is one gst-launch-1.0: decodebin3, a tee, videoscale (Catmull-Rom), x264enc, and splitmuxsink into fragmented MP4, without playlists." if gstreamer else ""}
Bytes are those of media segments; where one file is a whole MP4 (GStreamer), of its boxes moof and mdat. Nobody made MPEG-TS, so there is no overhead of it in any number.</p>
<p>The programs run in turn, {times} at each point, after a run of each that is not counted. CPU is user and system time of the process, peak memory its largest resident set, as the kernel
counts them. VMAF v0.6.1 of {every}, enlarged to the feed by bicubic, matched by number. "At equal bytes" reads the peer's cost off a monotone cubic through its points over the
logarithm of all video bytes, at the bytes of each of mezzo's points (at most a quarter beyond its ends), and is the geometric mean. BD-rate integrates the logarithm of bytes over the
common interval of VMAF in the same way; points above 99.5 or below 2 are left out.</p>"""
