"""One run of mezzo at full speed: what the kernel says of the process, and of each of its threads by name."""

import os
import shutil
import statistics
import subprocess
import tempfile
import time

from measure import CORES, Failed, machine_busy

# Seconds between two looks at the threads, and for a run.
LOOK, LIMIT = 0.02, 600


def measured(mezzo, feed, ladder, work, runs, more=(), cores=None):
    """The run of `runs` that took least CPU, and the least and most of all. `cores`: how many it may use, None for all; `more`: further flags."""
    words = [mezzo, "run", "--input", feed, "--ladder", ladder, "--output", work / "out", "--pace", "fast", "--log-format", "text", *more]
    if cores:
        if not shutil.which("taskset"):
            raise Failed("there is no taskset (Debian: util-linux), so the number of cores cannot be set")
        words = ["taskset", "-c", f"0-{cores - 1}", *words]
    made = []
    for _ in range(runs):
        shutil.rmtree(work / "out", ignore_errors=True)
        made.append(once([str(word) for word in words]))
    best = min(made, key=lambda run: run["cpu"])
    return best | {"cpu_spread": [min(run["cpu"] for run in made), max(run["cpu"] for run in made)], "wall": statistics.median(run["wall"] for run in made)}


def once(words):
    """CPU, wall, memory, how much of the machine others used, and CPU by thread: `start` is the first thread, `decode` those of libav that have the program's name."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MEZZO_")}
    threads = {}
    with tempfile.TemporaryFile() as said:
        busy, start = machine_busy(), time.monotonic()
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=environment)
        while True:
            pid, status, rusage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            look(process.pid, threads)
            time.sleep(LOOK)
            if time.monotonic() - start > LIMIT:
                process.kill()
        wall = time.monotonic() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        if process.returncode != 0:
            raise Failed(f"{' '.join(words[:3])} ended with {process.returncode} after {wall:.0f} s: {said.read().decode(errors='replace').strip()[-400:]}")
    cpu = rusage.ru_utime + rusage.ru_stime
    by_name = {}
    for name, seconds in threads.values():
        by_name[name] = round(by_name.get(name, 0.0) + seconds, 4)
    others = max(0.0, machine_busy() - busy - cpu) / (wall * CORES)
    return {"cpu": round(cpu, 3), "wall": round(wall, 3), "memory": rusage.ru_maxrss * 1024, "others": round(others, 4), "threads": by_name}


def look(pid, threads):
    """Notes what each thread has taken so far."""
    try:
        own = open(f"/proc/{pid}/comm").read().strip()
        for tid in os.listdir(f"/proc/{pid}/task"):
            task = f"/proc/{pid}/task/{tid}"
            with open(f"{task}/comm") as comm, open(f"{task}/schedstat") as taken:
                name, seconds = comm.read().strip(), int(taken.read().split()[0]) / 1e9
            if name == own:
                name = "start" if int(tid) == pid else "decode"
            threads[tid] = name, seconds
    except (OSError, IndexError):
        # A thread, or all of them, ended in between.
        return
