"""Quality and CPU of every backend and operating point, alone, on a few contents at a few sizes: the table of docs/encoders.md.

    make encoders                                                        # the contents below, and writes docs/encoders.md
    make encoders ARGS='--content sport=match.ts --content film=a.mkv'   # others
    make encoders ARGS='--backend x265 --size 540 --write -'             # a part, printed only

Each content is cut to one GOP, made progressive, 8 bit, and each size is made of it beforehand, uncompressed: what is timed is mezzo with one rung, which neither decodes
nor scales, less what mezzo takes to start. No cap binds. VMAF is against the content at its own size, enlarged by bicubic. As points spend different bytes at one quality, each is
compared with a curve: x264's `veryfast` at five qualities on the same content and size, at the same bytes.
"""

import argparse
import os
import pathlib
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
# How a program is run and scored is the same as beside FFmpeg.
sys.path.insert(1, str(HERE.parent / "versus"))

import cells
import contents
import table
from measure import Failed, run

ROOT = HERE.parent.parent


def arguments():
    parser = argparse.ArgumentParser(prog="encoders", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--content", action="append", metavar="NAME=FILE[@SECONDS]", help=f"a clip, from so many seconds on [default: {contents.NAMES} of ../shared/media, else testdata's]")
    parser.add_argument("--size", action="append", type=int, metavar="LINES", help="[default: 1080, 540, 270]")
    parser.add_argument("--backend", action="append", choices=cells.POINTS, help="[default: all that open here]")
    parser.add_argument("--runs", type=int, default=2, help="of each, of which the one that took least CPU counts [default: 2]")
    parser.add_argument("--subsample", type=int, default=3, help="score every so manieth picture; with 3 every place in groups of 4 and 5 pictures is met, with 2 the better ones of groups of 4 [default: 3]")
    parser.add_argument("--mezzo", type=pathlib.Path, default=ROOT / "target/release/mezzo", help="[default: target/release/mezzo]")
    parser.add_argument("--ffmpeg", default=os.environ.get("VERSUS_FFMPEG"), help="FFmpeg 9 with libvmaf [default: $VERSUS_FFMPEG, else imageio-ffmpeg's]")
    parser.add_argument("--write", default=str(ROOT / "docs/encoders.md"), help="page whose table is replaced; - for none [default: docs/encoders.md]")
    return parser.parse_args()


def ffmpeg_path(wish):
    if wish:
        return wish
    try:
        import imageio_ffmpeg
    except ImportError:
        sys.exit("encoders: no FFmpeg: pip install imageio-ffmpeg, or give --ffmpeg PATH")
    return imageio_ffmpeg.get_ffmpeg_exe()


def measure(args, ffmpeg, work):
    clips = contents.prepared(args, ffmpeg, args.size or [1080, 540, 270], ROOT, work)
    bench = cells.Bench(args, ffmpeg, work)
    backends = bench.backends(args.backend or list(cells.POINTS))
    rows = []
    for lines in sorted({size for clip in clips for size in clip.sizes}, reverse=True):
        there = [clip for clip in clips if lines in clip.sizes]
        curves = {clip.name: bench.curve(clip, lines) for clip in there}
        for backend, codecs in backends.items():
            for codec, point in ((codec, point) for codec in codecs for point in cells.points(backend, lines)):
                made = [bench.cell(clip, lines, backend, codec, point) for clip in there]
                gains = [cells.above(curves[clip.name], cell) for clip, cell in zip(there, made)]
                rows.append(table.Row(lines, codec, backend, point, made, gains))
                print(f"{lines:5} {table.line(rows[-1])}", file=sys.stderr)
    return clips, rows


def main():
    args = arguments()
    ffmpeg = ffmpeg_path(args.ffmpeg)
    try:
        if "libvmaf" not in run([ffmpeg, "-hide_banner", "-filters"], 30).text:
            sys.exit(f"encoders: {ffmpeg} has no libvmaf (the one in the PyPI package imageio-ffmpeg has)")
        with tempfile.TemporaryDirectory(prefix="encoders-") as work:
            clips, rows = measure(args, ffmpeg, pathlib.Path(work))
        text = table.page(args, ffmpeg, clips, rows)
    except Failed as error:
        sys.exit(f"encoders: {error}")
    print(text)
    if args.write != "-":
        table.replace(pathlib.Path(args.write), text)


main()
