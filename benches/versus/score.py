"""VMAF of a rung against the feed that it was made of."""

import dataclasses
import json

from measure import CORES, Failed, run


@dataclasses.dataclass
class Score:
    """Mean of all scored pictures, and the value that the worst twentieth of them is below."""

    mean: float
    worst: float
    pictures: int


def vmaf(ffmpeg, feed, segments, plan, work, subsample):
    """Scales the rung up to the feed's size and compares picture n with picture n. Model: libvmaf's default (vmaf_v0.6.1)."""
    whole, log = joined(ffmpeg, segments, pictures(ffmpeg, feed), work), work / "vmaf.json"
    # By number, not by time, and both said to be what they are: else a scaler slips in and converts one of them.
    same = "settb=1/25,setpts=N,setparams=range=limited:colorspace=bt709:color_primaries=bt709:color_trc=bt709"
    width, height = plan["source"]["width"], plan["source"]["height"]
    scale = f"scale={width}:{height}:flags=bicubic:in_range=limited:out_range=limited:in_color_matrix=bt709:out_color_matrix=bt709"
    graph = f"[0:v]{same},{scale},format=yuv420p,setsar=1[made];[1:v]{same},format=yuv420p,setsar=1[feed];"
    graph += f"[made][feed]libvmaf=n_threads={CORES}:n_subsample={subsample}:log_fmt=json:log_path={log}"
    run([ffmpeg, "-nostdin", "-v", "error", "-i", whole, "-i", feed, "-filter_complex", graph, "-f", "null", "-"], 1800)
    values = sorted(frame["metrics"]["vmaf"] for frame in json.loads(log.read_text())["frames"])
    return Score(sum(values) / len(values), values[len(values) // 20], len(values))


def joined(ffmpeg, segments, count, work):
    """The segments as one file, which must have as many pictures as the feed: they are compared by number."""
    whole = work / "rung.mp4"
    whole.write_bytes(b"".join(path.read_bytes() for path in segments))
    made = pictures(ffmpeg, whole)
    if made != count:
        raise Failed(f"{segments[-1].parent} has {made} pictures and the feed {count}: which is which cannot be told")
    return whole


COUNTED = {}


def pictures(ffmpeg, path):
    """How many pictures decode."""
    key = path, path.stat().st_size, path.stat().st_mtime_ns
    if key not in COUNTED:
        said = run([ffmpeg, "-nostdin", "-v", "error", "-i", path, "-map", "0:v:0", "-fps_mode", "passthrough", "-f", "null", "-progress", "-", "-"], 600).text
        COUNTED[key] = int([line for line in said.splitlines() if line.startswith("frame=")][-1].split("=")[1])
    return COUNTED[key]
