"""One cell of the matrix: every point, mezzo and its peers in turn, then their VMAF. What is done is kept, so that a run that broke off goes on."""

import dataclasses
import datetime
import json
import re
import sys

import feeds
import machine
import matrix
import points
import score
import workers
from gstreamer import Gstreamer
from measure import Failed

# Seconds of its cap that a peer's buffer holds.
BUCKET = 1.0


@dataclasses.dataclass
class Tools:
    """The programs: mezzo, FFmpeg 9 (which also scores), and the peers that are here, by id."""

    mezzo: object
    ffmpeg: str
    peers: dict


def measure(cell, tools, args, presets, store, deadline, work):
    """Runs what is missing of a cell. True when nothing is missing any more, None where its feed is not there."""
    ladder = matrix.ladder(cell, args.matrix)
    feed = feeds.prepared(cell, args.feeds, tools, ladder, work)
    if feed is None:
        print(f"versus: {cell.name} is skipped: there is no {cell.feed} in {args.feeds}", file=sys.stderr)
        return None
    base = workers.plan(tools.mezzo, feed, ladder, work)
    kept = begun(cell, tools, args, presets, base, feed, store)
    for number in range(args.points):
        if any(point["number"] == number for point in kept["points"]):
            continue
        if deadline():
            return False
        kept["points"].append(point(cell, tools, args, presets, base, feed, number, work, kept))
        store.write_text(json.dumps(kept, indent=1) + "\n")
    return True


def begun(cell, tools, args, presets, plan, feed, store):
    """The cell's numbers so far: those of an earlier run, where it was told the same, else none."""
    settings = {"runs": args.runs, "subsample": args.subsample, "seconds": cell.seconds, "ladder": cell.ladder}
    if store.exists():
        kept = json.loads(store.read_text())
        if kept["settings"] != settings:
            raise Failed(f"{store} was measured with {kept['settings']}, not {settings}: remove it, or ask for the same")
        return kept
    pictures = feeds.counted(cell, feed, plan, tools.ffmpeg)
    rungs = [{key: rung[key] for key in ("name", "codec", "width", "height", "depth", "point", "backends")} for rung in plan["video"]]
    return {
        "cell": cell.name,
        "content": cell.content,
        "feed": cell.feed,
        "note": cell.note,
        "vmaf": cell.vmaf,
        "date": str(datetime.date.today()),
        "machine": machine.machine(),
        "versions": versions(tools, cell),
        "class": plan["class"],
        "presets": {codec: presets[codec] for codec in sorted({rung["codec"] for rung in rungs}) if codec in presets},
        "settings": settings,
        "source": {"width": plan["source"]["width"], "height": plan["source"]["height"], "rate": str(plan["grid"]["rate"]), "pictures": pictures},
        "seconds": pictures * workers.denominator(plan["grid"]["rate"]) / workers.numerator(plan["grid"]["rate"]),
        "rungs": rungs,
        "points": [],
    }


def versions(tools, cell):
    """What each program calls itself."""
    said = {"mezzo": machine.version([tools.mezzo, "--version"]), "ffmpeg-9": machine.version([tools.ffmpeg, "-version"])}
    for peer in cell.peers:
        if peer in tools.peers and peer not in said:
            word = "--version" if peer == "gstreamer" else "-version"
            lines = machine.version([tools.peers[peer], word])
            said[peer] = lines.replace("gst-launch-1.0 version", "GStreamer")
    return said


def point(cell, tools, args, presets, base, feed, number, work, kept):
    """One point: who takes part, some runs in turn, and what each made."""
    file = points.ladder(base, number, work / f"point-{number + 1}.toml")
    plan = workers.plan(tools.mezzo, feed, file, work)
    sides = {"mezzo": workers.Mezzo(tools.mezzo, feed, file, work / "mezzo")}
    for peer, wanted in cell.peers.items():
        if peer in tools.peers and number < wanted:
            sides[peer] = peer_of(peer, tools, feed, plan, presets, work)
    usages, failed = {name: [] for name in sides}, {}
    # The first run of a cell warms what there is to warm, and is not counted.
    for run in range(-1 if number == 0 else 0, args.runs):
        for name, side in sides.items():
            if name in failed:
                continue
            try:
                usage = side.encode()
            except Failed as error:
                if name == "mezzo":
                    raise
                failed[name] = plain(error)
                print(f"versus: {cell.name}, {name}: {error}", file=sys.stderr)
                continue
            if run >= 0:
                usages[name].append({"cpu": round(usage.cpu, 3), "wall": round(usage.wall, 3), "memory": usage.memory, "others": round(usage.others, 4)})
                print(f"{cell.name}, point {number + 1}, run {run + 1}: {name} {usage.cpu:.2f} s CPU, {usage.wall:.2f} s wall", file=sys.stderr)
    made = {"number": number, "cap": points.POINTS[number][0], "crf": points.POINTS[number][1], "programs": {}}
    for name, side in sides.items():
        if name in failed:
            made["programs"][name] = {"failed": failed[name]}
            continue
        made["programs"][name] = {"runs": usages[name], "rungs": {rung["name"]: of_rung(cell, tools, args, plan, feed, side, rung, work) for rung in plan["video"]}}
        marks = machine.encoders(first for rung in plan["video"] if rung["codec"] != "av1" for first in side.segments(rung["name"])[:2])
        kept.setdefault("encoders", {}).setdefault(name, marks)
        print(f"{cell.name}, point {number + 1}: {name} {summary(made['programs'][name]['rungs'])}", file=sys.stderr)
    return made


def peer_of(peer, tools, feed, plan, presets, work):
    """The worker of a peer's id."""
    if peer == "gstreamer":
        return Gstreamer(tools.peers[peer], tools.ffmpeg, feed, plan, presets, BUCKET, work / peer)
    return workers.Ffmpeg(tools.peers[peer], feed, plan, presets, BUCKET, work / peer)


def of_rung(cell, tools, args, plan, feed, side, rung, work):
    """Bytes, the largest segment against the cap, and VMAF of a rung, or why it has none."""
    name = rung["name"]
    of_cap = side.largest(name) * 8 / workers.gop_seconds(plan) / rung["max_bitrate"]
    made = {"bytes": side.bytes(name), "of_cap": round(of_cap, 3), "crf": rung["quality"], "max_bitrate": rung["max_bitrate"]}
    if cell.vmaf:
        try:
            scored = score.vmaf(tools.ffmpeg, feed, side.segments(name), plan, work, args.subsample)
            made |= {"vmaf": round(scored.mean, 3), "worst": round(scored.worst, 3)}
        except Failed as error:
            made["unscored"] = plain(error)
            print(f"versus: {cell.name}, {name}: {error}", file=sys.stderr)
    return made


def plain(error):
    """An error without the folders of the machine that it happened on."""
    return re.sub(r"(?<![\w.])/[\w./+-]*/", "", " ".join(str(error).split()))[:400]


def summary(rungs):
    return ", ".join(f"{name} {rung['bytes'] / 1000:.0f} kB" + (f" {rung['vmaf']:.2f}" if "vmaf" in rung else "") for name, rung in rungs.items())
