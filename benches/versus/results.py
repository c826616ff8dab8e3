"""What the numbers of a cell say: ratios of mezzo to a peer, at the same settings and at equal bytes, and BD-rates."""

import dataclasses
import math
import statistics

import rates


@dataclasses.dataclass
class Ratio:
    """mezzo's over the peer's: median, least and most of the runs."""

    middle: float
    least: float
    most: float

    @classmethod
    def of(cls, values):
        values = [value for value in values if value is not None]
        return cls(statistics.median(values), min(values), max(values)) if values else None


@dataclasses.dataclass
class Beside:
    """mezzo beside one peer in one cell. `same`: by point, of a quantity, where both are at the same caps and CRF. `bd` and `vmaf` are by rung; a text says why there is no number."""

    peer: str
    points: list
    same: dict
    cpu: Ratio | None
    wall: Ratio | None
    memory: Ratio | None
    bd: dict
    vmaf: dict

    def bd_mean(self):
        numbers = [value for value in self.bd.values() if isinstance(value, float)]
        return statistics.mean(numbers) if numbers else None

    def vmaf_least(self):
        """The rung that does worst at equal bytes, and by how much."""
        return min(((value, rung) for rung, value in self.vmaf.items() if value is not None), default=None)


def peers(cell):
    """Who took part, in the order in which they are named."""
    seen = {}
    for point in cell["points"]:
        seen |= dict.fromkeys(name for name in point["programs"] if name != "mezzo")
    return list(seen)


def good(point, name):
    """What a program made at a point, None where it did not take part or failed."""
    made = point["programs"].get(name)
    return made if made and "failed" not in made else None


def failures(cell):
    """(peer, point, why) of whatever did not come about."""
    found = []
    for point in cell["points"]:
        for name, made in point["programs"].items():
            if "failed" in made:
                found.append((name, point["number"], made["failed"]))
            found += [(name, point["number"], f"{rung}: {of['unscored']}") for rung, of in made.get("rungs", {}).items() if "unscored" in of]
    return found


def total(made):
    """Bytes of all video rungs."""
    return sum(rung["bytes"] for rung in made["rungs"].values())


def others(cell):
    """(runs in which others used more than 2 % of the machine, all runs, the most they used)."""
    shares = [run["others"] for point in cell["points"] for made in point["programs"].values() for run in made.get("runs", [])]
    return sum(share > 0.02 for share in shares), len(shares), max(shares, default=0.0)


def beside(cell, peer):
    """mezzo beside `peer`."""
    both = [point for point in cell["points"] if good(point, peer) and good(point, "mezzo")]
    ours, theirs = ([good(point, name) for point in both] for name in ("mezzo", peer))
    same = {what: [by_run(a, b, what) for a, b in zip(ours, theirs)] for what in ("cpu", "wall", "memory")}
    same["bytes"] = [total(a) / total(b) for a, b in zip(ours, theirs)]
    every = [good(point, "mezzo") for point in cell["points"] if good(point, "mezzo")]
    memory = Ratio.of([a["memory"] / b["memory"] for mine, other in zip(ours, theirs) for a, b in zip(mine["runs"], other["runs"])])
    bd, vmaf = {}, {}
    if cell["vmaf"]:
        for rung in (rung["name"] for rung in cell["rungs"]):
            mine, other = scored(every, rung), scored(theirs, rung)
            bd[rung] = rates.bd_rate(mine, other) if len(other) > 1 else "one point"
            gains = [a - b for (_, a), b in zip(mine, rates.at_equal_bytes(mine, other, 0.02)) if b is not None]
            vmaf[rung] = statistics.mean(gains) if gains else None
    return Beside(peer, [point["number"] for point in both], same, at_equal_bytes(every, theirs, "cpu"), at_equal_bytes(every, theirs, "wall"), memory, bd, vmaf)


def by_run(ours, theirs, what):
    return Ratio.of([a[what] / b[what] for a, b in zip(ours["runs"], theirs["runs"])])


def scored(programs, rung):
    """(bytes, VMAF) of a rung at each point."""
    return [(made["rungs"][rung]["bytes"], made["rungs"][rung]["vmaf"]) for made in programs if "vmaf" in made["rungs"][rung]]


def at_equal_bytes(ours, theirs, what):
    """Run by run: mezzo's cost at each of its points over the peer's at as many bytes, and the geometric mean of that."""
    if not ours or not theirs:
        return None
    ratios = []
    for run in range(min(len(made["runs"]) for made in ours + theirs)):
        mine, other = ([(total(made), made["runs"][run][what]) for made in side] for side in (ours, theirs))
        logs = [math.log(a / b) for (_, a), b in zip(mine, rates.at_equal_bytes(mine, other)) if b]
        ratios.append(math.exp(statistics.mean(logs)) if logs else None)
    return Ratio.of(ratios)
