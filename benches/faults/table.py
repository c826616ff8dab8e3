"""What came of the drill, as Markdown."""

import datetime

from cell import CLOCKS, DELAY, FEED, SEGMENT

BEGIN, END = "<!-- drill -->", "<!-- /drill -->"


def shown(result):
    """Bad numbers by their names; else 0 and what was done about the fault."""
    bad = [f"{value} {name}" for name in ("missing", "short", "late", "invalid") if (value := getattr(result, name))]
    if not result.good:
        return f"**{', '.join(bad) or 'failed'}**" + (" (the worker ended)" if any(note.startswith("exit") for note in result.notes) else "")
    names = {"repeats": "repeated", "fillers": "filled", "dropped": "dropped"}
    did = [f"{result.counts[name]} {word}" for name, word in names.items() if name in result.counts]
    if silent := result.counts.get("silent_samples"):
        did.append(f"{silent / 48_000:.1f} s silent")
    return ", ".join(["0", *did])


def rows(text):
    """The table in a text: for each fault a text for each clock."""
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| `")]
    return {line[0].strip("`"): dict(zip(CLOCKS, line[1:])) for line in lines}


def write(path, cells, machine, whole):
    """Puts the cells into the table between the marks of the file: a table of its own, or their places in the one that is there."""
    before, rest = path.read_text().split(BEGIN)
    old, after = rest.split(END)
    table = {} if whole else rows(old)
    for (fault, clock), cell in cells.items():
        table.setdefault(fault, {})[clock] = shown(cell.result)
    all_of_them = [text for row in table.values() for text in row.values()]
    lines = [
        f"{datetime.date.today()}, {machine}: {sum(text.startswith('0') for text in all_of_them)} of {len(all_of_them)} cells without a segment that is missing, short, late or invalid. Each is",
        f"{FEED} s of a live feed over UDP (SRT for `disconnect`), segments of {SEGMENT} s due {DELAY} s after their slots, a rung of video and two of sound. 0 is the sum of those four counts; behind it",
        "stands what was done about the fault: pictures repeated, black ones filled in, pictures dropped, and silence put where no sound was. Damaged pictures and sound are published, and marked.",
        "",
        f"| fault | {' | '.join(f'`{clock}`' for clock in CLOCKS)} |",
        "|" + "---|" * (len(CLOCKS) + 1),
    ]
    lines += [f"| `{fault}` | " + " | ".join(row.get(clock, "") for clock in CLOCKS) + " |" for fault, row in table.items()]
    path.write_text(f"{before}{BEGIN}\n" + "\n".join(lines) + f"\n{END}{after}")
