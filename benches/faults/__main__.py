"""The drill: a live worker on loopback for each fault and each clock, and what was missing, short, late or invalid of what it published.

    cargo build --release
    python3 benches/faults                              # all of it; about a quarter of an hour
    python3 benches/faults --only jump --clock sei      # a part of it

Each cell is a `mezzo feed` with one fault, a `mezzo run` that it plays to, and a `mezzo check` of the output. A cell that fails, or whose feed could not keep up with its own clock, is run
again with nothing beside it: a machine that is too busy for real time is no fault of the feed. The cells go into the table of docs/faults.md, between its marks. The exit code is 1 where one fails.
"""

import argparse
import concurrent.futures
import os
import pathlib
import platform
import sys
import tempfile

from cell import CLOCKS, Cell
from table import write

# What goes wrong, 8 s after the start where it does not all the time.
FAULTS = """
none
gap@8+0.3  gap@8+3  gap~3+0.4  video:gap@8+2  audio:gap@8+2  audio:vanish@8+2  video:vanish@8+2
loss1%  loss10%@8+2  drop1%  drop10%@8+2  duplicate5%  reorder5%  noise2%
bits1%@8+2  garbage5%@8+2  video:garbage100%@8+2  audio:garbage100%@8+2  pmt:garbage100%@8+2
freeze@8+2  black@8+2  silence@8+2
rate50@8+3  rate30000/1001@8+3  size=640x360@8+3  interlaced@8+3  codec=hevc@8+3
jump5s@8  jump-5s@8  jump0.7s@8  jump-0.7s@8  jump3600s@8  jump-3600s@8+2  wrap@8  restart@8+2
unstamped20%@8+2  video:unstamped100%@8+2  backward10%@8+2
slow10%@6+8  burst500ms@8+3  burst2s@8+4  jitter100ms  disconnect@8+2
""".split()


def arguments():
    parser = argparse.ArgumentParser(prog="faults", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mezzo", type=pathlib.Path, default=pathlib.Path("target/release/mezzo"), help="[default: target/release/mezzo]")
    parser.add_argument("--jobs", type=int, default=max(1, os.cpu_count() or 1), help="cells at a time; each needs about a quarter of a core [default: a core each]")
    parser.add_argument("--only", default="", help="faults whose text has this in it")
    parser.add_argument("--fault", action="append", help="this one, instead of those of the table; may be given more than once")
    parser.add_argument("--clock", choices=CLOCKS, help="by this clock alone")
    parser.add_argument("--keep", type=pathlib.Path, help="leave outputs and logs in this folder")
    parser.add_argument("--into", type=pathlib.Path, default=pathlib.Path("docs/faults.md"), help="[default: docs/faults.md]")
    return parser.parse_args()


def drill(args, work):
    faults = args.fault or [fault for fault in FAULTS if args.only in fault]
    clocks = [args.clock] if args.clock else CLOCKS
    cells = {(fault, clock): Cell(args.mezzo.resolve(), fault, clock, work) for fault in faults for clock in clocks}
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for cell in pool.map(Cell.run, cells.values()):
            print(cell, flush=True)
    for cell in cells.values():
        if not cell.result.good or cell.result.disturbed:
            print(f"again, alone: {cell.run()}", flush=True)
    whole = not (args.only or args.fault or args.clock)
    write(args.into, cells, f"{platform.machine()}, {os.cpu_count()} cores", whole)
    return all(cell.result.good for cell in cells.values())


def main():
    args = arguments()
    if not args.mezzo.exists():
        sys.exit(f"faults: there is no {args.mezzo}: cargo build --release, or --mezzo PATH")
    with tempfile.TemporaryDirectory(prefix="faults-") as work:
        if args.keep:
            args.keep.mkdir(parents=True, exist_ok=True)
        good = drill(args, args.keep or pathlib.Path(work))
    sys.exit(0 if good else 1)


main()
