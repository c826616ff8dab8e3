"""What is encoded: a GOP of each content, uncompressed, at each size."""

import dataclasses
import pathlib

from measure import Failed, run

# Pictures of each, at the rate in the filter where one is there.
PICTURES = 60

# Name, file, seconds to skip, and what makes it progressive SDR of 8 bit at about 30 pictures a second. Film and animation had a part in choosing the points, the street had in those of x265.
KNOWN = [
    ("animation", "bbb_1080p60_aac51_2s.mp4", 0, "fps=30"),
    ("film", "tos_1080p2997_aac_8s_ctawave_fmp4.mp4", 2, "null"),
    ("street", "hevc_hlg_1080p2997_aac_editlist.mp4", 0, "null"),
    ("drone", "gopro_480p2997_aac_tmcd_gpmf_12s.mp4", 2, "null"),
]
NAMES = ", ".join(name for name, *_ in KNOWN)
# Where those are not there.
PATTERN = ("pattern", "testdata/pattern-1080p25.ts", 0, "null")


@dataclasses.dataclass
class Content:
    """A content: its reference at its own size, and a feed for each size."""

    name: str
    file: str
    reference: pathlib.Path
    # Lines of a size to its feed, width and height.
    sizes: dict
    width: int
    height: int


def prepared(args, ffmpeg, lines, root, work):
    """Every content that was asked for, cut and scaled into `work`."""
    return [prepare(ffmpeg, name, path, skip, graph, lines, work) for name, path, skip, graph in wished(args, root)]


def wished(args, root):
    if args.content:
        for wish in args.content:
            name, _, path = wish.partition("=")
            path, _, skip = path.partition("@")
            if not name or not pathlib.Path(path).is_file():
                raise Failed(f"--content {wish}: NAME=FILE or NAME=FILE@SECONDS is accepted, with a file that is there")
            yield name, pathlib.Path(path), skip or 0, "null"
        return
    media = root / "../shared/media"
    there = [(name, media / file, skip, graph) for name, file, skip, graph in KNOWN if (media / file).is_file()]
    yield from there or [(PATTERN[0], root / PATTERN[1], *PATTERN[2:])]


def prepare(ffmpeg, name, path, skip, graph, lines, work):
    # At its own size, if it is no larger than 1080p, in the range and matrix that everything is compared in.
    whole = f"yadif=deint=interlaced,{graph},scale='min(1920,iw)':-2:flags=bicubic:out_range=limited:out_color_matrix=bt709,setsar=1,format=yuv420p"
    reference = work / f"{name}.mkv"
    make(ffmpeg, ["-ss", skip, "-i", path], whole, reference)
    width, height = size(ffmpeg, reference)
    sizes = {}
    for wanted in (wanted for wanted in lines if wanted <= height):
        # As wide as it is tall at that size, in whole pairs.
        small = (round(width * wanted / height / 2) * 2, wanted // 2 * 2)
        feed = work / f"{name}-{wanted}.mkv"
        make(ffmpeg, ["-i", reference], f"scale={small[0]}:{small[1]}:flags=bicubic,setsar=1,format=yuv420p", feed)
        sizes[wanted] = (feed, *small)
    if not sizes:
        raise Failed(f"{name}: {path.name} has {height} lines, fewer than every size that is measured")
    return Content(name, path.name, reference, sizes, width, height)


def make(ffmpeg, source, graph, out):
    colour = ["-color_range", "tv", "-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709"]
    tags = "setparams=range=limited:colorspace=bt709:color_primaries=bt709:color_trc=bt709"
    words = ["-nostdin", "-y", "-v", "error", "-noautorotate", *source, "-map", "0:v:0", "-vf", f"{graph},{tags}", "-frames:v", PICTURES]
    run([ffmpeg, *words, "-c:v", "rawvideo", *colour, out], 300)


def size(ffmpeg, path):
    said = run([ffmpeg, "-nostdin", "-hide_banner", "-i", path, "-map", "0:v:0", "-frames:v", "1", "-vf", "showinfo", "-f", "null", "-"], 60).text
    width, height = next(word[2:] for word in said.split() if word.startswith("s:") and "x" in word).split("x")
    return int(width), int(height)
