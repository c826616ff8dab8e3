"""What came of it, as Markdown."""

import datetime
import platform
import statistics

import workers
from measure import CORES, run


def heading(args, ffmpeg, plan):
    """What was compared, and where."""
    with open("/proc/cpuinfo") as info:
        cpu = next((line.split(":")[1].strip() for line in info if line.startswith("model name")), platform.machine())
    version = run([ffmpeg, "-version"], 30).text.split(" Copyright")[0]
    ours = run([args.mezzo, "--version"], 30).text.strip()
    source = plan["source"]
    return (
        f"{datetime.date.today()}, {cpu}, {CORES} cores. {args.feed.name}: {source['width']}x{source['height']} at {plan['grid']['rate']}, ladder {args.ladder}.\n"
        f"{ours}, points {', '.join(rung['point'] for rung in plan['video'])}. {version}, {args.preset}, CRF searched, bufsize {args.bucket:g} s.\n"
        f"{args.runs} runs each, in turn; ratios are mezzo to FFmpeg, median (least to most). VMAF v0.6.1, every {ordinal(args.subsample)}picture.\n"
    )


def ordinal(n):
    return "" if n == 1 else f"{n}{ {2: 'nd', 3: 'rd'}.get(n, 'th')} "


def machine(usages):
    """CPU, wall, memory, and how busy the cores were."""
    rows = ["| | mezzo | FFmpeg | ratio |", "|---|---|---|---|"]
    for title, value in [("CPU, s", lambda u: u.cpu), ("wall, s", lambda u: u.wall), ("peak memory, MB", lambda u: u.memory / 1e6)]:
        sides = [statistics.median(value(pair[side]) for pair in usages) for side in (0, 1)]
        ratios = [value(ours) / value(theirs) for ours, theirs in usages]
        rows.append(f"| {title} | {sides[0]:.2f} | {sides[1]:.2f} | **{statistics.median(ratios):.3f}** ({min(ratios):.3f} to {max(ratios):.3f}) |")
    busy = [statistics.median(pair[side].cpu / (pair[side].wall * CORES) for pair in usages) for side in (0, 1)]
    others = [statistics.median(pair[side].others for pair in usages) for side in (0, 1)]
    rows.append(f"| cores busy | {busy[0]:.0%} | {busy[1]:.0%} | |")
    rows.append(f"| others on the machine | {others[0]:.0%} | {others[1]:.0%} | {'wall and busy mean little' if max(others) > 0.02 else ''} |")
    return "\n".join(rows) + "\n"


def rungs(plan, count, mezzo, peer, scores):
    """Bytes and VMAF of each rung. `count`: pictures of the feed."""
    titles = ["rung", "kb/s", "largest segment, of cap", "bytes, ratio", "FFmpeg's CRF", "VMAF mezzo", "FFmpeg", "difference", "worst 5 %, difference"]
    rows = [f"| {' | '.join(titles)} |", "|" + "---|" * len(titles)]
    slot = workers.denominator(plan["grid"]["rate"]) / workers.numerator(plan["grid"]["rate"])
    for name, rung in peer.rungs.items():
        kbps = mezzo.bytes(name) * 8 / 1000 / (count * slot)
        of_cap = mezzo.largest(name) * 8 / (plan["grid"]["gop_slots"] * slot) / rung["max_bitrate"]
        crf = f"{peer.crf[name]:.2f}" + ("" if peer.maxrate[name] == rung["max_bitrate"] else f", cap x {peer.maxrate[name] / rung['max_bitrate']:.2f}")
        row = f"| {name} | {kbps:.0f} | {of_cap:.0%} | {mezzo.bytes(name) / peer.bytes(name):.3f} | {crf} |"
        if name in scores:
            ours, theirs = scores[name]
            row += f" {ours.mean:.2f} | {theirs.mean:.2f} | **{ours.mean - theirs.mean:+.2f}** | {ours.worst - theirs.worst:+.2f} |"
        rows.append(row)
    return "\n".join(rows)
