"""Plots as SVG that takes its colours from the page (or, where it stands alone, from its own style)."""

import html
import math

# A plot, and how far its axes are from its edges.
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 320, 216, 40, 14, 34, 30
MARKS = {
    "circle": '<circle cx="{x:.1f}" cy="{y:.1f}" r="3.4"',
    "square": '<rect x="{x0:.1f}" y="{y0:.1f}" width="6.2" height="6.2"',
    "triangle": '<path d="M{x:.1f} {top:.1f}l4 7h-8z"',
    "diamond": '<path d="M{x:.1f} {high:.1f}l4.4 4.4l-4.4 4.4l-4.4-4.4z"',
}


class Line:
    """Points: (x, y, what to say when pointed at). `kind` is a class of the page's style, `mark` one of MARKS or None, `label` what stands at its end."""

    def __init__(self, kind, mark, points, joined=True, label=""):
        self.kind, self.mark, self.points, self.joined, self.label = kind, mark, sorted(points), joined, label


def plot(title, lines, x_name, y_name, log=True, zero=False):
    """One plot. `log`: x is logarithmic; `zero`: y begins at 0."""
    points = [point for line in lines for point in line.points]
    if not points:
        return ""
    xs, ys = x_ticks([x for x, _, _ in points], log), y_ticks([y for _, y, _ in points], zero)
    fx, fy = scale(*xs[0], LEFT, WIDTH - RIGHT, log), scale(*ys[0], HEIGHT - BOTTOM, TOP, False)
    out = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{html.escape(title)}: {html.escape(y_name)} over {html.escape(x_name)}">']
    out.append(f'<text class="name" x="{LEFT}" y="14">{html.escape(title)}</text>')
    for value in ys[1]:
        out.append(f'<path class="grid" d="M{LEFT} {fy(value):.1f}H{WIDTH - RIGHT}"/>')
        out.append(f'<text class="tick" x="{LEFT - 5}" y="{fy(value) + 3.5:.1f}" text-anchor="end">{number(value)}</text>')
    for value in xs[1]:
        out.append(f'<path class="grid" d="M{fx(value):.1f} {TOP}V{HEIGHT - BOTTOM}"/>')
        out.append(f'<text class="tick" x="{fx(value):.1f}" y="{HEIGHT - BOTTOM + 13}" text-anchor="middle">{number(value)}</text>')
    out.append(f'<path class="axis" d="M{LEFT} {HEIGHT - BOTTOM}H{WIDTH - RIGHT}"/>')
    out.append(f'<text class="tick" x="{WIDTH - RIGHT}" y="{HEIGHT - 4}" text-anchor="end">{html.escape(x_name)}</text>')
    out.append(f'<text class="tick" x="{LEFT}" y="27">{html.escape(y_name)}</text>')
    # mezzo, which comes first, on top of the others.
    for line in reversed(lines):
        at = [(fx(x), fy(y), text) for x, y, text in line.points]
        if line.joined and len(at) > 1:
            out.append(f'<path class="line {line.kind}" d="M{" L".join(f"{x:.1f} {y:.1f}" for x, y, _ in at)}"/>')
        if line.mark:
            out += [f"{mark(line.mark, x, y)} class=\"mark {line.kind}\"><title>{html.escape(text)}</title></{tag(line.mark)}>" for x, y, text in at]
        if line.label:
            out.append(f'<text x="{at[-1][0]:.1f}" y="{at[-1][1] - 7:.1f}" text-anchor="end">{html.escape(line.label)}</text>')
    return "".join(out) + "</svg>"


def mark(kind, x, y):
    return MARKS[kind].format(x=x, y=y, x0=x - 3.1, y0=y - 3.1, top=y - 4.4, high=y - 4.4)


def tag(kind):
    return {"circle": "circle", "square": "rect"}.get(kind, "path")


def key(kind, shape, text):
    """An entry of a legend."""
    return f'<span class="key"><svg viewBox="0 0 26 12" width="26" height="12" aria-hidden="true"><path class="line {kind}" d="M1 6H25"/>{mark(shape, 13, 6)} class="mark {kind}"/></svg>{html.escape(text)}</span>'


def scale(low, high, begin, end, log):
    """From a value to a place."""
    f = math.log if log else float
    return lambda value: begin + (f(value) - f(low)) / (f(high) - f(low)) * (end - begin)


def x_ticks(values, log):
    """((low, high), ticks)."""
    low, high = min(values), max(values)
    if not log:
        return y_ticks(values, True)
    low, high = low / 1.12, high * 1.12
    steps = (1, 2, 5) if high / low > 8 else (1, 1.5, 2, 3, 4, 5, 7) if high / low > 1.6 else (1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 9)
    ticks = [step * 10**power for power in range(-2, 7) for step in steps if low <= step * 10**power <= high]
    return (low, high), ticks


def y_ticks(values, zero):
    """Likewise, in round steps, with the least and the greatest inside."""
    low, high = 0.0 if zero else min(values), max(values)
    room = (high - low) or max(abs(high), 1.0) * 0.1
    step = 10 ** math.floor(math.log10(room / 3))
    step *= next(factor for factor in (1, 2, 5, 10) if room / (step * factor) <= 5)
    first, last = math.floor(low / step), math.ceil(high / step)
    first, last = (first, last) if last > first else (first - 1, last + 1)
    return (first * step, last * step), [n * step for n in range(first, last + 1)]


def number(value):
    return f"{value:.10g}" if abs(value) >= 1 or value == 0 else f"{value:.3g}"
