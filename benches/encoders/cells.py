"""One backend at one point on one content at one size: mezzo with a ladder of one rung."""

import dataclasses
import json
import math
import shutil
import sys

import score
from measure import Failed, run

ALL = ["ultrafast", "superfast", "swift", "brisk", "veryfast", "faster", "fast", "medium"]
# Points of each backend that differ from each other there.
POINTS = {
    "x264": ALL,
    "x265": ALL,
    "svt-av1": ["ultrafast", "superfast", "swift", "veryfast", "faster", "fast", "medium"],
    "rav1e": ["swift", "brisk", "faster", "fast", "medium"],
    "nvenc": ALL,
    "vaapi": ALL,
}
# rav1e above so many lines takes minutes for a row, and nobody would run it live.
SLOW = {"rav1e": 540}

QUALITIES = {"avc": 23, "hevc": 26, "av1": 35}
CAP = 40_000_000
# Of the curve that others are compared with.
REFERENCE = ("x264", "avc", "veryfast")
CURVE = [15, 19, 23, 27, 31]


def points(backend, lines):
    return POINTS[backend] if lines <= SLOW.get(backend, lines) else []


@dataclasses.dataclass
class Cell:
    """What one run gave: bytes, VMAF, CPU seconds for 1000 pictures, and how many there were in how long."""

    bytes: int
    vmaf: float
    cpu: float
    kbps: float


class Bench:
    def __init__(self, args, ffmpeg, work):
        self.args, self.ffmpeg, self.work = args, ffmpeg, work
        self.starts = {}

    def backends(self, wanted):
        """Those that open here, with the codecs that they make."""
        said = run([self.args.mezzo, "probe", "--json"], 120).text
        found = json.loads(said[said.index("{") :])["backends"]
        there = {}
        for backend in wanted:
            codecs = [row["codec"] for row in found if row["backend"] == backend and row["state"] == "ready"]
            if codecs:
                there[backend] = codecs
            else:
                why = next((row["why"] for row in found if row["backend"] == backend), "it is not known")
                print(f"left out: {backend}: {why}", file=sys.stderr)
        return there

    def curve(self, clip, lines):
        """Logarithm of bytes and VMAF of the reference, finest quality last."""
        cells = [self.cell(clip, lines, *REFERENCE, quality=quality, runs=1) for quality in reversed(CURVE)]
        return [(math.log(cell.bytes), cell.vmaf) for cell in cells]

    def cell(self, clip, lines, backend, codec, point, quality=None, runs=None):
        feed, width, height = clip.sizes[lines]
        ladder, out = self.work / "ladder.toml", self.work / "out"
        quality = QUALITIES[codec] if quality is None else quality
        rung = {"name": "rung", "codec": codec, "width": width, "height": height, "max_bitrate": CAP, "quality": quality, "point": point, "backend": [backend]}
        ladder.write_text('name = "one"\n[[video]]\n' + "".join(f"{key} = {json.dumps(value)}\n" for key, value in rung.items()))
        words = ["--input", feed, "--ladder", ladder, "--output", out]
        usages = []
        for _ in range(runs or self.args.runs):
            shutil.rmtree(out, ignore_errors=True)
            usages.append(run([self.args.mezzo, "run", *words, "--pace", "fast", "--log-format", "text"], 900).cpu)
        start = self.start(words, codec)
        segments = [*(out / "rung").glob("init*.mp4"), *sorted((out / "rung").glob("*.m4s"), key=lambda path: int(path.stem))]
        size = sum(path.stat().st_size for path in segments if path.suffix == ".m4s")
        source = {"source": {"width": clip.width, "height": clip.height}}
        found = score.vmaf(self.ffmpeg, clip.reference, segments, source, self.work, self.args.subsample)
        pictures = score.pictures(self.ffmpeg, clip.reference)
        return Cell(size, found.mean, max(0.0, min(usages) - start) * 1000 / pictures, size * 8 / 1000 / (pictures / self.rate(words)))

    def planned(self, words):
        usage = run([self.args.mezzo, "plan", *words, "--json"], 60)
        return usage, json.loads(usage.text[usage.text.index("{") :])

    def start(self, words, codec):
        """CPU seconds before the first picture: `plan` opens the feed, and the encoder once."""
        if codec not in self.starts:
            self.starts[codec] = min(self.planned(words)[0].cpu for _ in range(3))
        return self.starts[codec]

    def rate(self, words):
        numerator, _, denominator = self.planned(words)[1]["grid"]["rate"].partition("/")
        return int(numerator) / int(denominator or 1)


def above(curve, cell):
    """VMAF above the curve at the cell's bytes; straight on beyond its ends."""
    at = math.log(cell.bytes)
    pairs = list(zip(curve, curve[1:]))
    if any(right[0] <= left[0] for left, right in pairs):
        raise Failed("the reference's bytes do not grow with its quality")
    (x0, y0), (x1, y1) = next((pair for pair in pairs if at <= pair[1][0]), pairs[-1])
    return cell.vmaf - (y0 + (y1 - y0) * (at - x0) / (x1 - x0))
