"""A straight line through measurements, and how far they are from it."""


def line(points):
    """Least squares. Of y = constant + slope x: both, and the largest deviation as a share of what was measured."""
    count = len(points)
    mx, my = (sum(point[axis] for point in points) / count for axis in (0, 1))
    spread = sum((x - mx) ** 2 for x, _ in points)
    slope = sum((x - mx) * (y - my) for x, y in points) / spread if spread else 0.0
    constant = my - slope * mx
    deviations = [(y - constant - slope * x) / y for x, y in points]
    worst = max(deviations, key=abs)
    return {"constant": constant, "slope": slope, "worst": worst, "worst_at": points[deviations.index(worst)][0], "deviations": deviations}
