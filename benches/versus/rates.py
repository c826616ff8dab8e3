"""Rates at equal quality and costs at equal rates: Bjontegaard's difference over monotone piecewise cubic curves."""

import bisect
import math

# Above and below these VMAF hardly moves with bytes: such points are left out.
SATURATED, FLOOR = 99.5, 2.0
# The common interval must be this share of the shorter curve.
COMMON = 1 / 3
# A cost is read off this far beyond the ends of a curve, as a share of bytes.
BEYOND = 0.25
STEPS = 400


class Curve:
    """y over x through points, by Fritsch and Carlson's monotone cubic (PCHIP); straight beyond the ends."""

    def __init__(self, points):
        points = sorted(points)
        self.x = [x for x, _ in points]
        self.y = [y for _, y in points]
        self.slope = slopes(self.x, self.y)

    def at(self, x):
        if x <= self.x[0]:
            return self.y[0] + self.slope[0] * (x - self.x[0])
        if x >= self.x[-1]:
            return self.y[-1] + self.slope[-1] * (x - self.x[-1])
        n = bisect.bisect_right(self.x, x) - 1
        width = self.x[n + 1] - self.x[n]
        t = (x - self.x[n]) / width
        ends = self.y[n] * (1 + 2 * t) * (1 - t) ** 2 + self.y[n + 1] * t**2 * (3 - 2 * t)
        return ends + width * (self.slope[n] * t * (1 - t) ** 2 - self.slope[n + 1] * t**2 * (1 - t))

    def mean(self, low, high):
        """Of y between two x, by Simpson's rule."""
        width = (high - low) / STEPS
        weights = [1 if n in (0, STEPS) else 4 if n % 2 else 2 for n in range(STEPS + 1)]
        return sum(weight * self.at(low + n * width) for n, weight in enumerate(weights)) / (3 * STEPS)


def slopes(x, y):
    """At each point; zero where y turns."""
    if len(x) == 1:
        return [0.0]
    steps = [b - a for a, b in zip(x, x[1:])]
    rises = [(b - a) / step for a, b, step in zip(y, y[1:], steps)]
    if len(x) == 2:
        return [rises[0], rises[0]]
    inner = []
    for n in range(1, len(x) - 1):
        before, after = rises[n - 1], rises[n]
        if before * after <= 0:
            inner.append(0.0)
            continue
        left, right = 2 * steps[n] + steps[n - 1], steps[n] + 2 * steps[n - 1]
        inner.append((left + right) / (left / before + right / after))
    return [end(steps[0], steps[1], rises[0], rises[1]), *inner, end(steps[-1], steps[-2], rises[-1], rises[-2])]


def end(step, next_step, rise, next_rise):
    """The slope at an end, from the two nearest pieces, kept from overshooting."""
    slope = ((2 * step + next_step) * rise - step * next_rise) / (step + next_step)
    if slope * rise <= 0:
        return 0.0
    return 3 * rise if rise * next_rise < 0 and abs(slope) > abs(3 * rise) else slope


def bd_rate(ours, theirs):
    """Bytes of `ours` over those of `theirs` at equal VMAF, less 1, or why that cannot be said. Both are lists of (bytes, VMAF)."""
    sides = [rising(side) for side in (ours, theirs)]
    if min(len(ours), len(theirs)) < 3:
        return "fewer than three points"
    if min(map(len, sides)) < 3:
        return "VMAF at its end"
    low = max(side[0][0] for side in sides)
    high = min(side[-1][0] for side in sides)
    if high - low < COMMON * min(side[-1][0] - side[0][0] for side in sides):
        return "hardly any common quality"
    first, second = (Curve(side).mean(low, high) for side in sides)
    return math.exp(first - second) - 1


def rising(side):
    """(VMAF, logarithm of bytes), between VMAF's ends, without points that are no better than one with fewer bytes."""
    kept = []
    for size, vmaf in sorted(side):
        if FLOOR <= vmaf <= SATURATED and (not kept or vmaf > kept[-1][0]):
            kept.append((vmaf, math.log(size)))
    return kept


def at_equal_bytes(ours, theirs, beyond=BEYOND):
    """What `theirs` says at the bytes of each point of `ours`, None where that is more than `beyond` outside its own. Both are lists of (bytes, value)."""
    if len(theirs) < 2:
        return [None] * len(ours)
    curve = Curve([(math.log(size), value) for size, value in theirs])
    reach = math.log1p(beyond)
    inside = [curve.x[0] - reach <= math.log(size) <= curve.x[-1] + reach for size, _ in ours]
    return [curve.at(math.log(size)) if near else None for (size, _), near in zip(ours, inside)]
