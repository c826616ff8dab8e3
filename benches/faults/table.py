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


def table(cells, faults, machine):
    good = sum(cell.result.good for cell in cells.values())
    lines = [
        f"{datetime.date.today()}, {machine}: {good} of {len(cells)} without a segment that is missing, short, late or invalid. Each is {FEED} s of a live feed over UDP (SRT for `disconnect`),",
        f"segments of {SEGMENT} s due {DELAY} s after their slots, 2 rungs of video and 2 of sound. 0 is the sum of those four counts; behind it, what frame sync did about the fault: pictures",
        "repeated, black ones filled in, pictures dropped, and silence put where there was no sound (both rungs of sound together).",
        "",
        f"| fault | {' | '.join(f'`{clock}`' for clock in CLOCKS)} |",
        "|" + "---|" * (len(CLOCKS) + 1),
    ]
    lines += [f"| `{fault}` | " + " | ".join(shown(cells[fault, clock].result) for clock in CLOCKS) + " |" for fault in faults]
    return "\n".join(lines)


def write(path, text):
    """Between the marks of the file."""
    whole = path.read_text()
    before, rest = whole.split(BEGIN)
    _, after = rest.split(END)
    path.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")
