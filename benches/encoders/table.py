"""What came of it, as Markdown."""

import dataclasses
import datetime
import pathlib
import platform

from measure import CORES, Failed, run

BEGIN, END = "<!-- measured: made by `make encoders` -->", "<!-- /measured -->"


@dataclasses.dataclass
class Row:
    """A backend's point at a size: its cell and its gain for each content."""

    lines: int
    codec: str
    backend: str
    point: str
    cells: list
    gains: list

    def mean(self, of):
        return sum(getattr(cell, of) for cell in self.cells) / len(self.cells)

    def gain(self):
        return sum(self.gains) / len(self.gains)


def on_front(row, rows):
    """Whether no other point of the codec at that size is as cheap and as good, and better in one."""
    own = row.mean("cpu"), row.gain()
    rivals = [(r.mean("cpu"), r.gain()) for r in rows if (r.lines, r.codec) == (row.lines, row.codec) and r is not row]
    return not any(cpu <= own[0] and gain >= own[1] and (cpu, gain) != own for cpu, gain in rivals)


def line(row, rows=None):
    gains = " ".join(f"{gain:+.2f}" for gain in row.gains)
    mark = "•" if rows and on_front(row, rows) else ""
    values = [row.backend, row.codec, row.point, f"{row.mean('cpu'):.1f}", f"{row.mean('kbps'):.0f}", f"{row.mean('vmaf'):.2f}", f"**{row.gain():+.2f}**", gains, mark]
    return f"| {' | '.join(values)} |"


def page(args, ffmpeg, clips, rows):
    """The heading and a table for each size."""
    with open("/proc/cpuinfo") as info:
        cpu = next((line.split(":")[1].strip() for line in info if line.startswith("model name")), platform.machine())
    mezzo = run([args.mezzo, "--version"], 30).text.strip()
    peer = run([ffmpeg, "-version"], 30).text.split(" Copyright")[0]
    parts = [
        f"{datetime.date.today()}, {cpu}, {CORES} cores. {mezzo}. {args.runs} runs each, the lesser CPU counts; VMAF v0.6.1 by {peer}, every {args.subsample} pictures.",
        "Contents: " + ", ".join(f"{clip.name} ({clip.file}, {clip.width}x{clip.height})" for clip in clips) + ".",
    ]
    for lines in sorted({row.lines for row in rows}, reverse=True):
        there = [clip.name for clip in clips if lines in clip.sizes]
        parts.append(f"### {lines} lines")
        titles = ["backend", "codec", "point", "CPU s", "kb/s", "VMAF", "gain", ", ".join(there), "front"]
        table = [f"| {' | '.join(titles)} |", "|" + "---|" * len(titles)]
        of_size = [row for row in rows if row.lines == lines]
        parts.append("\n".join(table + [line(row, of_size) for row in of_size]))
    return "\n\n".join(parts)


def replace(path: pathlib.Path, text):
    """Puts the tables between the marks of the page."""
    page = path.read_text()
    if page.count(BEGIN) != 1 or page.count(END) != 1:
        raise Failed(f"{path} does not have the lines {BEGIN} and {END} once each")
    head, rest = page.split(BEGIN)
    path.write_text(f"{head}{BEGIN}\n{text}\n{END}{rest.split(END)[1]}")
