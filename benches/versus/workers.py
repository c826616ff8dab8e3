"""The two workers: how each is told to make the ladder, and what it made."""

import json
import shutil

from measure import Failed, run

# FFmpeg's encoder of each codec, and what it is told beside its preset: x265's wrapper passes on neither closed GOPs nor the threshold of scene cuts.
ENCODERS = {"avc": "libx264", "hevc": "libx265", "av1": "libsvtav1"}
X265 = "scenecut=0:open-gop=0:log-level=error"

# Seconds that one run may take.
LIMIT = 1800


def plan(mezzo, feed, ladder, work):
    """What mezzo would make of the feed, which FFmpeg then has to make, too."""
    usage = run([mezzo, "plan", "--input", feed, "--ladder", ladder, "--output", work / "planned", "--json"], 60)
    plan = json.loads(usage.text[usage.text.index("{") :])
    if plan["source"]["interlaced"] or plan["source"]["range"] != "sdr":
        raise Failed(f"{feed} is interlaced or HDR: its pictures cannot be scored against those made of it")
    return plan


class Worker:
    """A folder of segments, one folder in it for each rung."""

    def __init__(self, out):
        self.out = out

    def encode(self):
        """Makes the ladder."""
        shutil.rmtree(self.out, ignore_errors=True)
        self.out.mkdir()
        return run(self.command(), LIMIT)

    def segments(self, rung):
        """The initialisation segment, then the others in order."""
        media = sorted((self.out / rung).glob("*.m4s"), key=lambda path: int(path.stem))
        return [*(self.out / rung).glob("init*.mp4"), *media]

    def bytes(self, rung):
        """Of all segments but the initialisation."""
        return sum(path.stat().st_size for path in (self.out / rung).glob("*.m4s"))

    def largest(self, rung):
        """Bytes of the largest segment."""
        return max(path.stat().st_size for path in (self.out / rung).glob("*.m4s"))


class Mezzo(Worker):
    """mezzo, as its users run it."""

    def __init__(self, program, feed, ladder, out):
        super().__init__(out)
        self.words = [program, "run", "--input", feed, "--ladder", ladder, "--output", out, "--pace", "fast", "--log-format", "text"]

    def command(self):
        return self.words


class Ffmpeg(Worker):
    """One FFmpeg process: one decoder, a split, a bicubic scaler and an encoder for each rung, closed GOPs as long as mezzo's, fMP4 segments with HLS. `presets`: of each codec."""

    def __init__(self, program, feed, plan, presets, bucket, out):
        super().__init__(out)
        self.program, self.feed, self.plan, self.presets, self.bucket = program, feed, plan, presets, bucket
        self.rungs = {rung["name"]: rung for rung in plan["video"]}
        codecs = {rung["codec"] for rung in plan["video"]}
        if not codecs <= presets.keys():
            raise Failed(f"the ladder has rungs of {', '.join(sorted(codecs))}; accepted: {', '.join(presets)}")
        self.crf = {name: rung["quality"] for name, rung in self.rungs.items()}
        self.maxrate = {name: rung["max_bitrate"] for name, rung in self.rungs.items()}

    def command(self):
        source, gop = self.plan["source"], self.plan["grid"]["gop_slots"]
        count = len(self.rungs)
        graph = [f"[0:v]split={count}" + "".join(f"[s{n}]" for n in range(count))]
        words, variants = [], []
        sound = ",agroup:sound" if self.plan["audio"] else ""
        for n, (name, rung) in enumerate(self.rungs.items()):
            size = rung["width"], rung["height"]
            # Its own picture goes to the encoder as it is.
            scale = "null" if size == (source["width"], source["height"]) else f"scale={size[0]}:{size[1]}:flags=bicubic"
            graph.append(f"[s{n}]{scale}[v{n}]")
            words += ["-map", f"[v{n}]", *self.encoder(n, name, rung)]
            variants.append(f"v:{n}{sound},name:{name}")
        for n, rung in enumerate(self.plan["audio"]):
            words += ["-map", "0:a:0", f"-b:a:{n}", rung["bitrate"], f"-ac:a:{n}", rung["channels"]]
            variants.append(f"a:{n}{sound},name:{rung['name']}")
        words += ["-fps_mode", "passthrough", "-g", gop, "-keyint_min", gop, "-sc_threshold", 0, "-flags", "+cgop"]
        words += ["-c:a", "aac", "-ar", 48000, "-f", "hls", "-hls_segment_type", "fmp4", "-hls_playlist_type", "vod", "-master_pl_name", "main.m3u8"]
        # A little less than a GOP, or rounding makes segments of two.
        words += ["-hls_time", f"{gop_seconds(self.plan) - 0.01:.3f}", "-var_stream_map", " ".join(variants)]
        words += ["-hls_segment_filename", self.out / "%v/%d.m4s", self.out / "%v/media.m3u8"]
        return [self.program, "-nostdin", "-y", "-v", "error", "-i", self.feed, "-filter_complex", ";".join(graph), *words]

    def encoder(self, n, name, rung):
        """What rung number `n` is told."""
        encoder, maxrate = ENCODERS[rung["codec"]], round(self.maxrate[name])
        words = [f"-c:v:{n}", encoder, f"-preset:v:{n}", self.presets[rung["codec"]], f"-pix_fmt:v:{n}", "yuv420p10le" if rung["depth"] == 10 else "yuv420p"]
        words += [f"-crf:v:{n}", f"{self.crf[name]:.3f}", f"-maxrate:v:{n}", maxrate, f"-bufsize:v:{n}", round(maxrate * self.bucket)]
        if rung["codec"] == "hevc":
            words += [f"-x265-params:v:{n}", X265, f"-tag:v:{n}", "hvc1"]
        return words


def gop_seconds(plan):
    """Seconds of a GOP."""
    return plan["grid"]["gop_slots"] * denominator(plan["grid"]["rate"]) / numerator(plan["grid"]["rate"])


def numerator(rate):
    """Of a rate as plans write it, "25" or "30000/1001"."""
    return int(str(rate).split("/")[0])


def denominator(rate):
    """Likewise."""
    return int((str(rate).split("/") + ["1"])[1])
