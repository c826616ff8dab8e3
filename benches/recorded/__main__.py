"""What `cargo bench` measured last, beside what was recorded before: as ratios.

    cargo bench && python3 benches/recorded                # compares with benches/recorded/numbers.json
    cargo bench && python3 benches/recorded --record       # and writes that anew

Another machine is faster or slower at everything: the middle of all ratios is taken for that, and each benchmark is shown against it.
"""

import argparse
import datetime
import json
import pathlib
import platform
import statistics
import sys

# So much slower than the others are, and it is said.
SLOWER = 1.10


def arguments():
    parser = argparse.ArgumentParser(prog="recorded", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--criterion", type=pathlib.Path, default=pathlib.Path("target/criterion"), help="where cargo bench left its numbers [default: target/criterion]")
    parser.add_argument("--numbers", type=pathlib.Path, default=pathlib.Path(__file__).parent / "numbers.json", help="what was recorded [default: beside this file]")
    parser.add_argument("--record", action="store_true", help="write what was measured there")
    return parser.parse_args()


def measured(criterion):
    """Nanoseconds of each benchmark (the middle), and how far to either side criterion is 95 % sure, from the last run."""
    found = {}
    for estimates in sorted(criterion.glob("*/**/new/estimates.json")):
        name = json.loads(estimates.with_name("benchmark.json").read_text())["full_id"]
        median = json.loads(estimates.read_text())["median"]
        interval = median["confidence_interval"]
        found[name] = {"ns": median["point_estimate"], "within": (interval["upper_bound"] - interval["lower_bound"]) / 2 / median["point_estimate"]}
    return found


def machine():
    """What it was measured on."""
    with open("/proc/cpuinfo") as info:
        cpu = next((line.split(":")[1].strip() for line in info if line.startswith("model name")), platform.machine())
    return cpu


def table(now, before):
    """A row for each benchmark, and the names of those that are slower than the others are."""
    both = [name for name in now if name in before["benchmarks"]]
    ratios = {name: now[name]["ns"] / before["benchmarks"][name]["ns"] for name in both}
    of_machine = statistics.median(ratios.values()) if ratios else 1.0
    rows = [f"recorded {before['date']} on {before['machine']}; this machine takes {of_machine:.2f} of that (the middle of {len(both)})", ""]
    rows += ["| benchmark | now | recorded | ratio | beside the others |", "|---|---|---|---|---|"]
    slower = []
    for name, value in now.items():
        if name not in ratios:
            rows.append(f"| {name} | {time(value['ns'])} | | new | |")
            continue
        own = ratios[name] / of_machine
        if own > SLOWER + value["within"]:
            slower.append(name)
        rows.append(f"| {name} | {time(value['ns'])} | {time(before['benchmarks'][name]['ns'])} | {ratios[name]:.2f} | {own:.2f}{' slower' if name in slower else ''} |")
    rows += [f"| {name} | | {time(value['ns'])} | gone | |" for name, value in before["benchmarks"].items() if name not in now]
    return "\n".join(rows), slower


def time(ns):
    """In the unit that suits it."""
    for unit, size in [("s", 1e9), ("ms", 1e6), ("us", 1e3)]:
        if ns >= size:
            return f"{ns / size:.3g} {unit}"
    return f"{ns:.3g} ns"


def main():
    args = arguments()
    now = measured(args.criterion)
    if not now:
        sys.exit(f"recorded: there is nothing in {args.criterion}: run cargo bench first")
    if args.numbers.exists():
        text, slower = table(now, json.loads(args.numbers.read_text()))
        print(text)
        if slower:
            print(f"\nslower by more than {SLOWER - 1:.0%} than the others are: {', '.join(slower)}")
    elif not args.record:
        print(f"recorded: {len(now)} benchmarks, and nothing in {args.numbers} to compare them with: --record writes it")
    if args.record:
        recorded = {"date": str(datetime.date.today()), "machine": machine(), "benchmarks": now}
        args.numbers.write_text(json.dumps(recorded, indent=1) + "\n")
        print(f"\nrecorded in {args.numbers}")


main()
