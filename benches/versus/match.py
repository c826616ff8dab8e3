"""Making a peer spend the bytes that mezzo spent, rung by rung."""

import math
import sys

from measure import Failed

# How near is near enough, and how often it is tried.
NEAR = 0.02
TRIES = 10
# What a step of 1 in CRF does to the logarithm of bytes, where nothing is known yet.
SLOPE = -0.12
# Where a finer CRF brings less than this share of what it should, the cap holds the bytes down.
HELD = 0.25


def bytes_of(peer, wanted):
    """Searches `peer.crf` (and, where its cap is in the way, `peer.maxrate`) until each rung's bytes are within 2 % of `wanted`. Leaves the last try's output."""
    tried = {name: [] for name in wanted}
    for number in range(TRIES):
        peer.encode()
        off = {name: peer.bytes(name) / wanted[name] - 1 for name in wanted}
        print(f"match {number + 1}: " + ", ".join(f"{name} {peer.crf[name]:.2f} {off[name]:+.1%}" for name in wanted), file=sys.stderr)
        if all(abs(ratio) <= NEAR for ratio in off.values()):
            return
        for name, ratio in off.items():
            # Those that are near stay as they are, though an encoder with threads never does quite the same twice.
            if abs(ratio) > NEAR * 0.75:
                step(peer, name, math.log1p(ratio), tried[name])
    far = ", ".join(f"{name} {ratio:+.1%}" for name, ratio in off.items() if abs(ratio) > NEAR)
    raise Failed(f"bytes could not be matched within {NEAR:.0%} in {TRIES} tries: {far}")


def step(peer, name, error, tried):
    """One step of a secant search. `error`: logarithm of bytes over wanted ones."""
    slope = SLOPE
    if tried:
        crf, maxrate, before = tried[-1]
        moved = peer.crf[name] - crf
        if maxrate == peer.maxrate[name] and abs(moved) > 0.01:
            slope = min(-0.02, (error - before) / moved)
            held = before < 0 and moved < 0 and error - before < HELD * SLOPE * moved
            if held or peer.crf[name] < 8:
                tried.append((peer.crf[name], peer.maxrate[name], error))
                peer.maxrate[name] *= math.exp(-error)
                return
        elif maxrate != peer.maxrate[name]:
            # From now on the cap alone is moved.
            tried.append((peer.crf[name], peer.maxrate[name], error))
            peer.maxrate[name] *= math.exp(-error)
            return
    tried.append((peer.crf[name], peer.maxrate[name], error))
    peer.crf[name] = min(45.0, max(4.0, peer.crf[name] - max(-6.0, min(6.0, error / slope))))
