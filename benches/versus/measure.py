"""Running a program to its end, and what the kernel says it took."""

import dataclasses
import os
import subprocess
import tempfile
import threading
import time

CORES = os.cpu_count()


class Failed(Exception):
    """A program did not do what it was run for."""


@dataclasses.dataclass
class Usage:
    """What a run took: CPU (user and system) and wall in seconds, the largest resident set in bytes, and how much of the machine others used meanwhile."""

    cpu: float
    wall: float
    memory: int
    others: float
    text: str


def machine_busy():
    """CPU seconds that the machine has been busy with anything, since it started."""
    with open("/proc/stat") as stat:
        user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, stat.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def run(command, limit):
    """Runs `command` to its end, which must come within `limit` seconds and be a success."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MEZZO_")}
    with tempfile.TemporaryFile() as said:
        before, start = machine_busy(), time.monotonic()
        process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=environment)
        watch = threading.Timer(limit, process.kill)
        watch.start()
        try:
            # Not subprocess's own wait: only this one has the resources of this one child.
            _, status, rusage = os.wait4(process.pid, 0)
        finally:
            watch.cancel()
        wall = time.monotonic() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        text = said.read().decode(errors="replace")
    if process.returncode != 0:
        raise Failed(f"{command[0]} ended with {process.returncode} after {wall:.0f} s: {text.strip()[-500:]}")
    cpu = rusage.ru_utime + rusage.ru_stime
    others = max(0.0, machine_busy() - before - cpu) / (wall * CORES)
    return Usage(cpu, wall, rusage.ru_maxrss * 1024, others, text)
