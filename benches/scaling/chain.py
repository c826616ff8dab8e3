"""Which sizes are made of which, as src/downscale has it, and what each costs of the scaling that was measured."""

# A size is made of the smallest one that is so much larger each way, else of the largest.
FAR = 2
# Cores from which on the sizes of a generation are made at once.
SPREAD_FROM = 4


def generations(rungs, source, seconds):
    """Seconds of each size, by generation: those of one do not need each other. `rungs` of (width, height, depth), `source` (width, height) of 8 bits.

    What a size costs is taken to go with the pixels that are read and written; together they cost `seconds`.
    """
    made, costs = [], []
    for size in sorted(set(rungs), key=lambda size: (-size[2], -size[0] * size[1])):
        alike = [(other, at) for other, at in made if other[2] == size[2]]
        times = lambda other, n: other[0] >= n * size[0] and other[1] >= n * size[1]
        of = next((one for one in reversed(alike) if times(one[0], FAR)), None) or next((one for one in alike if times(one[0], 1)), None)
        at = of[1] + 1 if of else 0
        made.append((size, at))
        # The source's own picture passes as it is.
        passes = not of and size == (*source, 8)
        costs.append((at, 0 if passes else pixels(of[0] if of else source) + pixels(size)))
    whole = sum(cost for _, cost in costs) or 1
    by_generation = [tuple(seconds * cost / whole for at, cost in costs if at == n and cost) for n in range(max(at for at, _ in costs) + 1)]
    return tuple(generation for generation in by_generation if generation)


def pixels(size):
    return size[0] * size[1]


def spread(parts, cores):
    """As a worker makes them on so many cores: by generation, or one after the other."""
    return parts if cores >= SPREAD_FROM else ((sum(sum(generation) for generation in parts),),)
