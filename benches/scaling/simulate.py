"""Workers on the cores of a machine, picture by picture: a discrete-event simulation.

A worker is a chain: decoding (so many pictures at once as libav has threads), scaling (one picture at a time, its sizes by generation, those of one at once), and for each rung its
lanes, of which GOP k goes to number k mod n, one picture at a time. A job begins when its place in the chain is free, its input is there and a core is; it is not interrupted. An encoder that looks
ahead by L pictures takes the first L of a GOP for nothing and does their work with the last one, so that its cost is whole but late.
"""

import collections
import dataclasses
import heapq
import itertools

# Decoded pictures that wait for scaling, pictures that wait for a rung with one lane (at full speed), as in the worker.
FRAMES, FAST_FRAMES = 2, 2
# What libav decodes at once.
DECODERS = 4


@dataclasses.dataclass(frozen=True)
class Ladder:
    """Seconds of one core for a picture: decoding, scaling (each size, by generation), and each rung (name, encoding, lanes, look-ahead); seconds for a second of the feed for all
    else. `scalers`: pictures that are scaled at once, one in today's worker."""

    name: str
    fps: float
    gop: int
    decode: float
    scale: tuple
    rungs: tuple
    other: float
    scalers: int = 1

    def load(self):
        """Cores that it keeps busy in real time."""
        return self.fps * (self.decode + sum(map(sum, self.scale)) + sum(encode for _, encode, _, _ in self.rungs)) + self.other

    def with_lanes(self, lanes):
        """The same with other numbers of lanes: `lanes` of (name, encode, lanes)."""
        return dataclasses.replace(self, rungs=tuple((name, encode, lanes(name, encode, count), look) for name, encode, count, look in self.rungs))


class Worker:
    """One ladder in one process. `pictures`: of the feed; `live`: they come at their rate from `phase` on, else all are there."""

    def __init__(self, ladder, pictures, live, phase):
        self.ladder, self.pictures, self.live, self.phase = ladder, pictures, live, phase
        self.arrived = 0 if live else pictures
        self.taken = self.decoding = self.decoded = self.scaled = 0
        self.scaling = 0
        self.lanes = [[collections.deque() for _ in range(lanes)] for _, _, lanes, _ in ladder.rungs]
        self.busy = [[False] * lanes for _, _, lanes, _ in ladder.rungs]
        # At full speed a rung with several lanes has room for a GOP in each.
        self.room = [ladder.gop if lanes > 1 else FAST_FRAMES for _, _, lanes, _ in ladder.rungs]
        self.left = {}
        self.done = {}


class Machine:
    """`cores` and what runs on them. `run` returns when the last picture of the last rung is encoded."""

    def __init__(self, cores, workers):
        self.free, self.workers, self.now = cores, workers, 0.0
        self.events, self.ready, self.order, self.used = [], [], itertools.count(), 0.0

    def at(self, time, what, *args):
        heapq.heappush(self.events, (time, next(self.order), what, args))

    def offer(self, rank, cost, begun, done, *args):
        """A job that waits for nothing but a core. `rank`: who goes first."""
        heapq.heappush(self.ready, (rank, next(self.order), cost, begun, done, args))

    def run(self):
        for worker in self.workers:
            if worker.live:
                self.at(worker.phase, self.arrive, worker)
            else:
                self.poke_decode(worker)
        self.dispatch()
        while self.events:
            self.now, _, what, args = heapq.heappop(self.events)
            what(*args)
            self.dispatch()
        return self.now

    def dispatch(self):
        while self.free and self.ready:
            _, _, cost, begun, done, args = heapq.heappop(self.ready)
            self.free -= 1
            self.used += cost
            if begun:
                begun(*args)
            self.at(self.now + cost, self.finish, done, args)

    def finish(self, done, args):
        self.free += 1
        done(*args)

    def arrive(self, worker):
        worker.arrived += 1
        if worker.arrived < worker.pictures:
            self.at(worker.phase + worker.arrived / worker.ladder.fps, self.arrive, worker)
        self.poke_decode(worker)

    def poke_decode(self, worker):
        while worker.taken < worker.arrived and worker.decoding < DECODERS and worker.decoding + worker.decoded < DECODERS + FRAMES:
            worker.taken += 1
            worker.decoding += 1
            self.offer(0, worker.ladder.decode, None, self.was_decoded, worker)

    def was_decoded(self, worker):
        worker.decoding -= 1
        worker.decoded += 1
        self.poke_scale(worker)
        self.poke_decode(worker)

    def poke_scale(self, worker):
        if worker.scaling == worker.ladder.scalers or not worker.decoded:
            return
        gop = (worker.scaled + worker.scaling) // worker.ladder.gop
        if not worker.live and any(len(lanes[gop % len(lanes)]) >= room for lanes, room in zip(worker.lanes, worker.room)):
            return
        worker.scaling += 1
        worker.decoded -= 1
        self.poke_decode(worker)
        self.scale(worker, 0)

    def scale(self, worker, generation):
        if generation == len(worker.ladder.scale):
            return self.was_scaled(worker)
        sizes, left = worker.ladder.scale[generation], [len(worker.ladder.scale[generation])]
        for seconds in sizes:
            self.offer(0, seconds, None, self.was_sized, worker, generation, left)

    def was_sized(self, worker, generation, left):
        left[0] -= 1
        if not left[0]:
            self.scale(worker, generation + 1)

    def was_scaled(self, worker):
        worker.scaling -= 1
        number = worker.scaled
        worker.scaled += 1
        for rung, lanes in enumerate(worker.lanes):
            lane = number // worker.ladder.gop % len(lanes)
            lanes[lane].append(number)
            self.poke_lane(worker, rung, lane)
        if worker.scaled % worker.ladder.gop == 0:
            # Sound, boxes, playlists: at once with each GOP, and nobody waits for it.
            self.offer(0, worker.ladder.other * worker.ladder.gop / worker.ladder.fps, None, lambda: None)
        self.poke_scale(worker)

    def poke_lane(self, worker, rung, lane):
        if worker.busy[rung][lane] or not worker.lanes[rung][lane]:
            return
        worker.busy[rung][lane] = True
        number = worker.lanes[rung][lane][0]
        _, encode, _, look = worker.ladder.rungs[rung]
        gop = worker.ladder.gop
        place = number % gop
        last = place == gop - 1 or number == worker.pictures - 1
        held = min(look, place)
        cost = 0.0 if place < look and not last else encode * (1 + held if last else 1)
        # In real time threads of small rungs go first, at full speed those of large ones.
        rank = len(worker.lanes) - rung if worker.live else 1 + rung
        self.offer(rank, cost, self.lane_takes, self.was_encoded, worker, rung, lane, number, last)

    def lane_takes(self, worker, rung, lane, number, last):
        worker.lanes[rung][lane].popleft()
        self.poke_scale(worker)

    def was_encoded(self, worker, rung, lane, number, last):
        worker.busy[rung][lane] = False
        if last:
            gop = number // worker.ladder.gop
            left = worker.left.get(gop, len(worker.lanes)) - 1
            worker.left[gop] = left
            if not left:
                worker.done[gop] = self.now
        self.poke_lane(worker, rung, lane)


def fast(ladder, cores, pictures):
    """Seconds that one worker at full speed takes for so many pictures."""
    return Machine(cores, [Worker(ladder, pictures, False, 0.0)]).run()


def live(ladder, cores, count, slots, warm=2):
    """`count` workers in real time for so many slots. Latencies from a slot's end to its last GOP, (of each slot but the first few, the worst of all workers), and how busy the cores were."""
    gop = ladder.gop / ladder.fps
    # All share the grid; within a picture's time each feed is where it happens to be.
    workers = [Worker(ladder, slots * ladder.gop, True, n / count / ladder.fps) for n in range(count)]
    machine = Machine(cores, workers)
    end = machine.run()
    worst = [max(worker.done[slot] - worker.phase - (slot + 1) * gop + 1 / ladder.fps for worker in workers) for slot in range(warm, slots)]
    return worst, machine.used / (cores * max(end, slots * gop))
