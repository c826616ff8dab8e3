"""What is measured: cost against rungs, pixels, frame rate and cores, and what the stages of three ladders cost."""

import sys

import feeds
import ladders
import runs
import score
import workers
from measure import CORES, Failed

RATES = (15, 20, 30, 60)


class Bench:
    """The programs and feeds, and a folder to work in."""

    def __init__(self, args, ffmpeg, work):
        self.mezzo, self.ffmpeg, self.work, self.args = args.mezzo.resolve(), ffmpeg, work, args
        self.film = self.feed(args.film, None)
        self.quick = self.feed(args.quick, args.quick_seconds)
        # It says BT.601; a conversion is not what is meant to be measured.
        self.large = self.feed(args.large, args.large_seconds, retag=True)

    def feed(self, path, seconds, retag=False):
        """(file, pictures, seconds, rate, plan) of a feed, cut without decoding where only its beginning is wanted (`retag`: saying that it is BT.709); None where it is not there."""
        if not path.is_file():
            print(f"scaling: there is no {path}: what needs it is left out", file=sys.stderr)
            return None
        plan, made = workers.plan(self.mezzo, path.resolve(), "avc-1080p-6", self.work), path.resolve()
        rate = workers.numerator(plan["grid"]["rate"]) / workers.denominator(plan["grid"]["rate"])
        if seconds:
            made = self.work / f"{path.stem}.mp4"
            feeds.cut(self.ffmpeg, path, seconds, round(seconds * rate), made, retag=retag)
        pictures = score.pictures(self.ffmpeg, made)
        return {"file": made, "name": path.name, "pictures": pictures, "seconds": pictures / rate, "rate": rate, "plan": plan}

    def run(self, what, feed, ladder, more=(), cores=None):
        made = runs.measured(self.mezzo, feed["file"], ladder, self.work, self.args.runs, more, cores)
        print(f"{what}: {made['cpu']:.2f} s CPU, {made['wall']:.2f} s wall, others {made['others']:.0%}", file=sys.stderr)
        return made

    def point(self, what, x, feed, ladder, more=(), cores=None):
        """A point of a series: everything per second of the feed."""
        made = self.run(f"{what} {x:g}", feed, ladder, more, cores)
        spread = [cpu / feed["seconds"] for cpu in made["cpu_spread"]]
        return {"x": x, "cpu": made["cpu"] / feed["seconds"], "spread": spread, "wall": made["wall"] / feed["seconds"], "memory": made["memory"], "others": made["others"]}

    def file(self, name, rungs, audio=()):
        return ladders.write(self.work / f"{name}.toml", rungs, audio)


def of_rungs(bench):
    """The first one to six rungs of avc-1080p-6 (mezzo's own points), over the pixels that they make a second."""
    feed, plan = bench.film, bench.film["plan"]
    plain = [ladders.rung(rung["name"], rung["width"], rung["height"], rung["max_bitrate"]) for rung in plan["video"]]
    made = []
    for count in range(1, len(plain) + 1):
        pixels = sum(rung["width"] * rung["height"] for rung in plain[:count]) * feed["rate"] / 1e6
        made.append(bench.point("rungs, Mpx/s", pixels, feed, bench.file(f"first-{count}", plain[:count], plan["audio"])) | {"label": f"{count}"})
    return made


def of_equal_rungs(bench):
    """One to six rungs that are alike."""
    return [bench.point("equal rungs", count, bench.film, bench.file(f"equal-{count}", ladders.equal(count))) for count in range(1, 7)]


def of_pixels(bench):
    """One rung at each size, at one operating point."""
    feed, made = bench.film, []
    for width, height in reversed(ladders.SIZES):
        made.append(bench.point("one rung, Mpx/s", width * height * feed["rate"] / 1e6, feed, bench.file(f"alone-{height}", ladders.alone(width, height))) | {"label": f"{height}p"})
    return made


def of_rate(bench):
    """The same feed at other rates (`--rate`), the whole ladder; its decoding is that of all pictures."""
    return [bench.point("pictures a second", rate, bench.quick, "avc-1080p-6", ["--rate", rate]) for rate in RATES if rate <= bench.quick["rate"]]


def of_cores(bench):
    """The whole ladder on one core, two, and so on as there are."""
    counts = sorted({2**n for n in range(10) if 2**n <= CORES} | {CORES})
    return [bench.point("cores", cores, bench.film, "avc-1080p-6", cores=cores) for cores in counts]


def costs(bench, feed, ladder):
    """Seconds of a core for a picture, by stage, from the CPU of threads in a run of the whole ladder."""
    plan = workers.plan(bench.mezzo, feed["file"], ladder, bench.work)
    # On more cores the sizes are made by threads that have no name of their own.
    made, pictures = bench.run(f"{ladder} from {feed['name']}", feed, ladder, cores=min(2, CORES)), feed["pictures"]
    threads = made["threads"]
    if "downscale" not in threads or "decode" not in threads:
        raise Failed(f"no thread of mezzo is called downscale or decode: {', '.join(threads)}")
    rungs = []
    for rung in plan["video"]:
        # The kernel keeps 15 characters of a thread's name.
        lanes = {f"{rung['name']}/{lane}"[:15] for lane in range(16)}
        own = sum(seconds for name, seconds in threads.items() if name in lanes)
        rungs.append({"name": rung["name"], "width": rung["width"], "height": rung["height"], "depth": rung["depth"], "seconds": own / pictures, "lanes": rung["lanes"], "point": rung["point"], "backend": rung["backends"][0]})
    parts = {"start": threads.get("start", 0.0), "decode": threads["decode"] / pictures, "scale": threads["downscale"] / pictures}
    parts["other"] = max(0.0, made["cpu"] - parts["start"] - pictures * (parts["decode"] + parts["scale"] + sum(rung["seconds"] for rung in rungs))) / feed["seconds"]
    source = {"feed": feed["name"], "width": plan["source"]["width"], "height": plan["source"]["height"], "rate": feed["rate"], "pictures": pictures, "gop": plan["grid"]["gop_slots"]}
    return parts | {"ladder": ladder, "rungs": rungs, "cpu": made["cpu"], "wall": made["wall"], "others": made["others"]} | source


def all_of(bench):
    """Every series whose feed is there, and the costs of stages."""
    made = {"series": {}, "costs": {}}
    if bench.film:
        made["series"] |= {"rungs": of_rungs(bench), "equal": of_equal_rungs(bench), "pixels": of_pixels(bench), "cores": of_cores(bench)}
        made["costs"]["1080p"] = costs(bench, bench.film, "avc-1080p-6")
    if bench.quick:
        made["series"]["rate"] = of_rate(bench)
    if bench.large:
        made["costs"]["2160p"] = costs(bench, bench.large, "avc-1080p-6")
        made["costs"]["2160p-hevc"] = costs(bench, bench.large, "sd-to-4k")
    if not bench.film:
        raise Failed("without the film there is nothing to measure: --film FILE")
    return made
