"""What workers would do on 2, 16, 64 and 192 cores, simulated with the costs that were measured.

    python benches/scaling/model.py docs/scaling.json        # the numbers, as JSON

Assumed: a core is a core (no memory bandwidth, no caches shared, no two threads on one core, no turbo); every picture of a rung costs the mean; the system gives a core to whoever
is ready, small rungs first; a worker has the lanes of its plan, and from four cores on makes sizes at once; nothing else runs.
"""

import dataclasses
import json
import math
import pathlib
import statistics
import sys

import chain
import simulate

CORES = (2, 16, 64, 192)
STEPS = (1, 2, 4, 8, 16, 32, 64, 128, 192)
FPS, SECONDS = 50, 2
# A ladder is held where each slot is whole so many seconds after it could be at the earliest (its end, or later where one GOP takes longer than a slot); the last slots are not looked at,
# for nothing comes after them.
SOON, SLOTS, TAIL = 2.0, 14, 2
# What mezzo gives a machine to do at most (`mezzo plan --measure`).
USABLE = 0.85
# Pictures that x264 holds back at mezzo's own points: look-ahead and B pictures.
LOOK = {"swift": 9, "brisk": 14}
TITLES = {"1080p": "Six AVC rungs of 1080p50", "2160p": "Six AVC rungs, 1080p and below, of 2160p50", "2160p-hevc": "`sd-to-4k` of 2160p50: those six, and HEVC Main 10 at 2160p and 1440p"}


def ladder(name, cost, cores, fps=FPS, gop=FPS * SECONDS):
    """A measured ladder on so many cores and at another rate: a picture costs what it cost."""
    sizes = [(rung["width"], rung["height"], rung["depth"]) for rung in cost["rungs"]]
    scale = chain.spread(chain.generations(sizes, (cost["width"], cost["height"]), cost["scale"]), cores)
    rungs = tuple((rung["name"], rung["seconds"], rung["lanes"], LOOK.get(rung["point"], 14)) for rung in cost["rungs"])
    return simulate.Ladder(name, fps, gop, cost["decode"], scale, rungs, cost["other"])


def fast_lanes(one, cores):
    """As the worker has them at full speed: one where a rung has no more to do than one of the cores, by its share, and no more than there are cores."""
    total = sum(encode for _, encode, _, _ in one.rungs)
    return one.with_lanes(lambda _, encode, planned: 1 if encode * cores <= total else min(planned, cores))


def validate(cost, measured):
    """Walls of the whole ladder at full speed, as measured and as simulated, by cores."""
    made, pictures = [], cost["pictures"]
    for point in measured:
        wall = point["wall"] * pictures / cost["rate"]
        said = cost["start"] + simulate.fast(fast_lanes(ladder("", cost, point["x"], cost["rate"], cost["gop"]), point["x"]), point["x"], pictures)
        made.append({"cores": point["x"], "measured": wall, "simulated": said, "off": said / wall - 1, "others": point["others"]})
    return made


def ceilings(one):
    """How many times real time each stage of one worker can do, whatever the cores; the least is the worker's."""
    stages = {"decoding": simulate.DECODERS / (one.decode * one.fps), "scaling": one.scalers / (path(one) * one.fps)}
    return stages | {name: lanes / (encode * one.fps) for name, encode, lanes, _ in one.rungs if encode}


def path(one):
    """Seconds in which a picture's sizes are made where cores are free."""
    return sum(max(generation) for generation in one.scale) or 1e-9


def held(one, cores):
    """How many workers a machine holds in real time, and how late and how busy they are; None where it holds none."""
    most, low, best = int(cores / one.load()), 0, None
    while most > low:
        count = (low + most + 1) // 2 if best else most
        found = tried(one, cores, count)
        if found["latency_most"] <= SOON + max(0.0, longest(one) - SECONDS):
            low, best = count, found
        else:
            most = count - 1
    return best


def part(one, cores):
    """The most rungs that a machine holds which does not hold all: the largest are left out first. Scaling is taken to cost what it costs for all."""
    for first in range(1, len(one.rungs)):
        fewer = dataclasses.replace(one, rungs=one.rungs[first:])
        found = held(fewer, cores)
        if found:
            return found | {"from": one.rungs[first][0]}
    return None


def longest(one):
    """Seconds that the GOP of a ladder takes which takes longest."""
    return max(encode for _, encode, _, _ in one.rungs) * one.gop


def tried(one, cores, count):
    """So many workers, simulated for as long as it takes to see whether they keep up."""
    latencies, _ = simulate.live(one, cores, count, SLOTS + math.ceil(longest(one) / SECONDS))
    latencies = latencies[:-TAIL]
    return {"count": count, "load": count * one.load() / cores, "latency": statistics.median(latencies), "latency_most": max(latencies)}


def usable(one, cores, most):
    """As many as mezzo's own planning would allow, where the model holds that many."""
    count = min(int(USABLE * cores / one.load()), most["count"] if most else 0)
    return tried(one, cores, count) if count else None


def enough(one):
    """The ladder with as many lanes as each rung needs, and as many pictures scaled at once, with a tenth to spare."""
    need = lambda seconds: math.ceil(1.1 * seconds * one.fps)
    return dataclasses.replace(one.with_lanes(lambda _, encode, lanes: max(lanes, need(encode))), scalers=need(path(one)))


def of(kept):
    """Everything that the page shows."""
    return {"validation": validate(kept["costs"]["1080p"], kept["series"]["cores"]), "ladders": {key: of_ladder(TITLES[key], cost) for key, cost in kept["costs"].items()}}


def of_ladder(title, cost):
    """One ladder: what limits a worker, how fast one is, how many a machine holds, and how many it would with as many lanes as each rung needs."""
    on = {cores: ladder(title, cost, cores) for cores in (*CORES, *STEPS)}
    more = {cores: enough(one) for cores, one in on.items()}
    widest = on[max(on)]
    made = {"title": title, "load": widest.load(), "ceilings": ceilings(widest), "rungs": [{"name": name, "lanes": lanes} for name, _, lanes, _ in widest.rungs]}
    # Twelve seconds of the feed.
    pictures = 12 * FPS
    made["speed"] = [{"cores": cores, "speed": pictures / FPS / simulate.fast(fast_lanes(on[cores], cores), cores, pictures)} for cores in STEPS]
    made |= counts(on)
    made["part"] = {cores: part(on[cores], cores) for cores in CORES if not made["held"][cores]}
    if more[max(on)] != widest:
        wide = more[max(on)]
        made["more"] = {"scalers": wide.scalers, "lanes": {name: lanes for name, _, lanes, _ in wide.rungs}, "ceilings": ceilings(wide)} | counts(more)
    return made


def counts(on):
    """How many each machine holds, and how many mezzo's own planning would allow."""
    most = {cores: held(on[cores], cores) for cores in CORES}
    return {"held": most, "usable": {cores: usable(on[cores], cores, most[cores]) for cores in CORES}}


if __name__ == "__main__":
    print(json.dumps(of(json.loads(pathlib.Path(sys.argv[1]).read_text())), indent=1))
