"""GStreamer as a peer: one gst-launch-1.0 that makes an AVC ladder."""

import struct

from measure import Failed, run
from workers import Worker, gop_seconds

# So many pictures wait before each encoder.
QUEUE = "queue max-size-buffers=4 max-size-bytes=0 max-size-time=0"


class Gstreamer(Worker):
    """decodebin3, a tee, and for each rung videoscale (Catmull-Rom, its bicubic), x264enc in CRF under a cap, closed GOPs as long as mezzo's, and a splitmuxsink of fragmented MP4.

    Neither playlists nor a manifest are written: a little less than what the others do.
    """

    def __init__(self, program, ffmpeg, feed, plan, presets, bucket, out):
        super().__init__(out)
        codecs = {rung["codec"] for rung in plan["video"]}
        if codecs != {"avc"}:
            raise Failed(f"the ladder has rungs of {', '.join(sorted(codecs))}; accepted beside GStreamer: avc")
        self.program, self.ffmpeg, self.feed, self.plan, self.preset, self.bucket = program, ffmpeg, feed, plan, presets["avc"], bucket

    def encode(self):
        usage = super().encode()
        missing = [rung["name"] for rung in self.plan["video"] if not list((self.out / rung["name"]).glob("*.mp4"))]
        if missing:
            raise Failed(f"gst-launch-1.0 made nothing of {', '.join(missing)}: {usage.text.strip()[-300:]}")
        return usage

    def command(self):
        plan, source = self.plan, self.plan["source"]
        words = ["filesrc", f"location={self.feed}", "!", "decodebin3", "name=d", "d.", "!", "video/x-raw", "!", "tee", "name=t"]
        for rung in plan["video"]:
            words += ["t.", "!", *QUEUE.split(), "!"]
            if (rung["width"], rung["height"]) != (source["width"], source["height"]):
                words += ["videoscale", "method=catrom", "add-borders=false", "!"]
                words += [f"video/x-raw,width={rung['width']},height={rung['height']},pixel-aspect-ratio=1/1", "!"]
            words += ["videoconvert", "!", "video/x-raw,format=I420", "!", *self.encoder(rung), "!", "h264parse", "!", *self.sink(rung["name"])]
        for n, rung in enumerate(plan["audio"]):
            words += [*self.sink(rung["name"]), f"name=sound{n}"]
        if plan["audio"]:
            words += ["d.", "!", "audio/x-raw", "!", "queue", "!", "audioconvert", "!", "audioresample", "!", "tee", "name=a"]
        for n, rung in enumerate(plan["audio"]):
            words += ["a.", "!", "queue", "!", "audioconvert", "!", f"audio/x-raw,rate=48000,channels={rung['channels']}", "!"]
            words += ["avenc_aac", f"bitrate={rung['bitrate']}", "!", "aacparse", "!", f"sound{n}.audio_0"]
        for rung in plan["video"] + plan["audio"]:
            (self.out / rung["name"]).mkdir()
        return [self.program, "-q", *words]

    def encoder(self, rung):
        # With pass=qual, bitrate is the cap and vbv-buf-capacity its buffer in milliseconds. Access unit delimiters are its own habit, and nobody else's here.
        gop = self.plan["grid"]["gop_slots"]
        words = ["x264enc", f"speed-preset={self.preset}", "pass=qual", f"quantizer={round(rung['quality'])}", f"bitrate={round(rung['max_bitrate'] / 1000)}"]
        words += [f"vbv-buf-capacity={round(self.bucket * 1000)}", f"key-int-max={gop}", "aud=false", f"option-string=scenecut=0:open-gop=0:keyint-min={gop}"]
        return words

    def sink(self, name):
        # A little less than a GOP, or rounding makes files of two. Only with async-finalize does it hand on the muxer's properties, and it makes fragments only when told their length.
        seconds = gop_seconds(self.plan)
        words = ["splitmuxsink", "async-finalize=true", "muxer-factory=mp4mux", f"muxer-properties=properties,fragment-duration={round(seconds * 1000)}"]
        return [*words, f"location={self.out / name}/%05d.mp4", f"max-size-time={round((seconds - 0.01) * 1e9)}"]

    def files(self, rung):
        return sorted((self.out / rung).glob("*.mp4"))

    def segments(self, rung):
        """As one file: each of its own has a beginning of its own."""
        listed, whole = self.out / f"{rung}.txt", self.out / f"{rung}.mp4"
        listed.write_text("".join(f"file '{path}'\n" for path in self.files(rung)))
        run([self.ffmpeg, "-nostdin", "-y", "-v", "error", "-f", "concat", "-safe", "0", "-i", listed, "-map", "0:v:0", "-c", "copy", whole], 120)
        return [whole]

    def bytes(self, rung):
        return sum(fragments(path) for path in self.files(rung))

    def largest(self, rung):
        return max(fragments(path) for path in self.files(rung))


def fragments(path):
    """Bytes of the boxes moof and mdat, which is what a segment of the others has, too."""
    total, data, at = 0, path.read_bytes(), 0
    while at + 8 <= len(data):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        if kind in (b"moof", b"mdat"):
            total += size
        at += max(size, 8)
    return total
