"""The machine and the programs, in words."""

import os
import platform
import re

from measure import CORES, run

# How encoders name themselves in the first segment.
MARKS = (re.compile(rb"x264 - core (\d+(?: r\d+)?)"), re.compile(rb"x265 \(build (\d+)\) - ([\w.+-]+)"))


def machine():
    """Processor, cores and memory, as the report and the page of scaling have them."""
    return {"cpu": cpu(), "cores": CORES, "memory": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")}


def cpu():
    """The processor's name, with family and model where the name does not tell one generation from another."""
    values = {}
    with open("/proc/cpuinfo") as info:
        for line in info:
            key, _, value = line.partition(":")
            values.setdefault(key.strip(), value.strip())
    name = values.get("model name", platform.machine())
    if "cpu family" in values:
        name += f" (family {values['cpu family']}, model {values.get('model', '?')})"
    return name


def version(command):
    """The first line that a program says of itself, without its copyright."""
    return run(command, 30).text.strip().splitlines()[0].split(" Copyright")[0].strip()


def encoders(paths):
    """Which x264 and x265 made these files, as they say themselves: most leave their name in the first picture."""
    found = set()
    for path in paths:
        data = path.read_bytes()[: 1 << 17]
        x264, x265 = (mark.search(data) for mark in MARKS)
        found |= {f"x264 {x264[1].decode()}"} if x264 else set()
        found |= {f"x265 {x265[2].decode()}"} if x265 else set()
    return sorted(found)
