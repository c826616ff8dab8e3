"""One cell of the drill: one fault, one clock."""

import dataclasses
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import time

CLOCKS = ["sei", "pts", "arrival"]

# Seconds: a segment, when it is due after its slot, how long the feed lasts, and until when the first segment's slot must begin.
SEGMENT, DELAY, FEED, BEGINS = 1, 6, 20, 7
RATE = 25
# A turn of the 33-bit clock, and its ticks a second.
TURN, TICKS = 1 << 33, 90_000


@dataclasses.dataclass
class Result:
    """What came of it."""

    missing: int = 0
    short: int = 0
    late: int = 0
    invalid: int = 0
    segments: int = 0
    counts: dict = dataclasses.field(default_factory=dict)
    notes: list = dataclasses.field(default_factory=list)
    # Pictures that the feed left out because it was late itself.
    disturbed: int = 0

    @property
    def good(self):
        return not (self.missing or self.short or self.late or self.invalid or self.notes) and self.segments > 0


class Cell:
    def __init__(self, mezzo, fault, clock, work):
        self.mezzo, self.fault, self.clock, self.result = mezzo, fault, clock, None
        self.dir = work / re.sub(r"[^a-z0-9.+-]", "_", f"{fault}-{clock}")

    def __str__(self):
        r = self.result
        counts = " ".join(f"{name}={value}" for name, value in r.counts.items())
        bad = f"missing={r.missing} short={r.short} late={r.late} invalid={r.invalid} {'; '.join(r.notes)}"
        if r.disturbed:
            counts += f" (the feed itself left out {r.disturbed})"
        return f"{'ok  ' if r.good else 'FAIL'} {self.clock:8} {self.fault:26} segments={r.segments} {counts}{'' if r.good else '  ' + bad}"

    def run(self):
        shutil.rmtree(self.dir, ignore_errors=True)
        self.dir.mkdir(parents=True)
        port = free_port()
        sends, takes = f"udp://127.0.0.1:{port}", f"udp://127.0.0.1:{port}"
        if self.fault.startswith("disconnect"):
            sends, takes = f"srt://127.0.0.1:{port}", f"srt://127.0.0.1:{port}?mode=listener"
        # The start is told, because the anchor depends on it.
        start = int(time.time()) + 2
        worker = [self.mezzo, "run", "--input", takes, "--ladder", "tiny", "--output", self.dir / "out", "--pace", "live", "--log-format", "json"]
        worker += ["--segment", f"{SEGMENT}s", "--publish-delay", f"{DELAY}s", "--window", "whole", "--clock", self.clock]
        worker += ["--anchor", f"0={self.anchor(start)}/{TICKS}"] if self.clock == "pts" else []
        feed = [self.mezzo, "feed", "--output", sends, "--size", "320x180", "--rate", str(RATE), "--gop", f"{SEGMENT}s", "--bitrate", "500k"]
        feed += ["--duration", f"{FEED}s", "--start", str(start)] + ([] if self.fault == "none" else ["--fault", self.fault])
        working, feeding = None, None
        try:
            with open(self.dir / "run.log", "wb") as log, open(self.dir / "feed.log", "wb") as feed_log:
                working = subprocess.Popen(list(map(str, worker)), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment())
                time.sleep(max(0.0, start - time.time()))
                feeding = subprocess.Popen(list(map(str, feed)), stdin=subprocess.DEVNULL, stdout=feed_log, stderr=feed_log, env=environment())
                feeding.wait(FEED + 30)
                stopped, died = time.time(), working.poll()
                if died is None:
                    working.send_signal(signal.SIGTERM)
                code = working.wait(30)
        finally:
            for process in (working, feeding):
                if process and process.poll() is None:
                    process.kill()
                    process.wait()
        self.result = self.judge(start, stopped, died, code)
        return self

    def anchor(self, start):
        """Ticks of 90 kHz of the UTC at which the feed's clock was 0."""
        wrap = re.fullmatch(r"wrap@([0-9]+)", self.fault)
        return (start + int(wrap[1])) * TICKS if wrap else start * TICKS // TURN * TURN

    def judge(self, start, stopped, died, code):
        result = Result()
        log = [json.loads(line) for line in (self.dir / "run.log").read_text().splitlines() if line.startswith("{")]
        if died is not None or code != 0:
            said = [line for line in log if line.get("level") == "ERROR"] or log[-1:]
            why = json.dumps(said[-1]) if said else (self.dir / "run.log").read_text()[-200:]
            result.notes.append(f"exit {code} {'by itself' if died is not None else ''}: {why[:300]}")
        for line in log:
            text = json.dumps(line)
            if "pictures" in text and "silent_samples" in text:
                fields = line.get("fields", line)
                result.counts = {name: fields[name] for name in ("repeats", "fillers", "dropped", "errors", "silent_samples") if fields.get(name)}
                result.late += fields.get("late", 0)
        skipped = re.search(r"skipped: ([0-9]+)", (self.dir / "feed.log").read_text(errors="replace"))
        result.disturbed = int(skipped[1]) if skipped else 0
        tracks = [path for path in (self.dir / "out").glob("*") if path.is_dir()]
        if not tracks:
            result.missing = FEED
            return result
        for track in tracks:
            there = {int(path.stem): path for path in track.glob("*.m4s")}
            result.segments += len(there)
            # What was due before the worker was stopped, from the first that it could have made. Where time was lost, numbers may run on beyond it.
            first, last = start // SEGMENT + BEGINS, int((stopped - DELAY) // SEGMENT) - 1
            if there:
                first, last = min(first, *there), max(last, *there)
            result.missing += sum(number not in there for number in range(first, last + 1))
            for number, path in there.items():
                result.late += path.stat().st_mtime > (number + 1) * SEGMENT + DELAY
                if track.name.startswith("avc"):
                    result.short += samples(path.read_bytes()) != RATE * SEGMENT
        checked = subprocess.run([self.mezzo, "check", self.dir / "out", "--json"], capture_output=True, timeout=120, env=environment())
        report = json.loads(checked.stdout)
        errors = [finding for finding in report["findings"] if finding["severity"] == "error"]
        result.invalid = len(errors)
        result.notes += [json.dumps(finding)[:200] for finding in errors[:2]]
        return result


def samples(segment):
    """Samples of a segment: the sum of sample_count over all trun boxes (ISO/IEC 14496-12, 8.8.8)."""
    count, at = 0, 0
    while at + 8 <= len(segment):
        size, kind = struct.unpack_from(">I4s", segment, at)
        if kind in (b"moof", b"traf"):
            at += 8
            continue
        if kind == b"trun":
            count += struct.unpack_from(">I", segment, at + 12)[0]
        at += max(size, 8)
    return count


def free_port():
    # SRT and UDP alike.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment():
    return {name: value for name, value in os.environ.items() if not name.startswith("MEZZO_")}
