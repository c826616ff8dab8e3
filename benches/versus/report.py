"""mezzo beside FFmpeg 9, Debian's FFmpeg and GStreamer on the cells of matrix.toml, as a page with rate-distortion and cost plots.

    make report                                      # measures what is missing today, and writes docs/benchmarks/<today>.html
    make report ARGS='--only avc-film --runs 3'      # one cell
    make report ARGS='--render --date 2026-11-23'    # the page again, of what is kept

Each cell runs at four points (caps times 1, 0.7, 0.5, 0.35; CRF plus 0, 3, 6, 9), the programs in turn. Its numbers are kept in docs/benchmarks/<date>/<cell>.json after every
point, so that a run which broke off goes on where it was. On a quiet machine of two cores all of it takes about two hours; --minutes ends it in between.
"""

import argparse
import datetime
import os
import pathlib
import shutil
import sys
import tempfile
import time

import cell
import matrix
import page
import points
from measure import Failed, run

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def arguments():
    parser = argparse.ArgumentParser(prog="report", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--feeds", type=pathlib.Path, default=ROOT.parent / "shared/media", help="where the feeds are [default: ../shared/media]")
    parser.add_argument("--matrix", type=pathlib.Path, default=HERE / "matrix.toml", help="[default: matrix.toml beside this file]")
    parser.add_argument("--only", action="append", metavar="CELL", help="may be repeated [default: all]")
    parser.add_argument("--points", type=int, default=len(points.POINTS), choices=range(1, len(points.POINTS) + 1), help="of each cell [default: 4]")
    parser.add_argument("--runs", type=int, default=2, help="of each program at each point, in turn, after one that is not counted [default: 2]")
    parser.add_argument("--subsample", type=int, default=3, help="score every so manieth picture; with 3 every place in groups of 4 and 5 pictures is met, with 4 mostly the better ones [default: 3]")
    parser.add_argument("--minutes", type=float, help="begin no point after so many minutes; the next call goes on")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "docs/benchmarks", help="[default: docs/benchmarks]")
    parser.add_argument("--date", type=datetime.date.fromisoformat, default=datetime.date.today(), help="of the folder and the page, 2026-11-23 [default: today]")
    parser.add_argument("--render", action="store_true", help="only write the page of what is kept")
    parser.add_argument("--mezzo", type=pathlib.Path, default=ROOT / "target/release/mezzo", help="[default: target/release/mezzo]")
    parser.add_argument("--ffmpeg", default=os.environ.get("VERSUS_FFMPEG"), help="FFmpeg 9 with libvmaf [default: $VERSUS_FFMPEG, else imageio-ffmpeg's]")
    parser.add_argument("--debian", default=shutil.which("ffmpeg"), help="Debian's FFmpeg [default: the ffmpeg on the PATH]")
    parser.add_argument("--gstreamer", default=shutil.which("gst-launch-1.0"), help="[default: the gst-launch-1.0 on the PATH]")
    return parser.parse_args()


def tools(args):
    """The programs that are here. Without mezzo or FFmpeg 9 there is nothing to measure; other peers are left out."""
    ffmpeg = args.ffmpeg
    if not ffmpeg:
        try:
            import imageio_ffmpeg
        except ImportError:
            raise Failed("no FFmpeg 9: run it with a Python that has imageio-ffmpeg (make report does), or give --ffmpeg PATH") from None
        ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    if not args.mezzo.is_file():
        raise Failed(f"there is no {args.mezzo}: make build, or give --mezzo PATH")
    if "libvmaf" not in run([ffmpeg, "-hide_banner", "-filters"], 30).text:
        raise Failed(f"{ffmpeg} has no libvmaf (the one in the PyPI package imageio-ffmpeg has)")
    peers = {"ffmpeg-9": ffmpeg, "ffmpeg-debian": args.debian, "gstreamer": args.gstreamer}
    for peer, path in peers.items():
        if not path:
            print(f"versus: {peer} is not here and left out", file=sys.stderr)
    return cell.Tools(args.mezzo.resolve(), ffmpeg, {peer: path for peer, path in peers.items() if path})


def measure(args, table, folder):
    """All cells that are asked for. What could not be measured is said; the others are measured nevertheless."""
    here, start, failed = tools(args), time.monotonic(), []
    folder.mkdir(parents=True, exist_ok=True)
    late = lambda: args.minutes is not None and time.monotonic() - start > args.minutes * 60
    for one in table.cells:
        if args.only and one.name not in args.only:
            continue
        with tempfile.TemporaryDirectory(prefix="report-") as work:
            try:
                done = cell.measure(one, here, args, table.presets, folder / f"{one.name}.json", late, pathlib.Path(work))
            except Failed as error:
                failed.append(one.name)
                print(f"versus: {one.name}: {error}", file=sys.stderr)
                continue
        if done is False:
            print(f"versus: {one.name} and what follows wait for the next call: {args.minutes:g} minutes are over", file=sys.stderr)
            break
    return failed


def main():
    args = arguments()
    try:
        table = matrix.read(args.matrix)
        unknown = set(args.only or []) - {one.name for one in table.cells}
        if unknown:
            raise Failed(f"no cell {', '.join(sorted(unknown))} in {args.matrix}; there are {', '.join(one.name for one in table.cells)}")
        folder = args.out / str(args.date)
        failed = [] if args.render else measure(args, table, folder)
        made = page.write(folder, [one.name for one in table.cells], table.goals, args.out / f"{args.date}.html")
        print(f"versus: {made}", file=sys.stderr)
    except Failed as error:
        sys.exit(f"versus: {error}")
    if failed:
        sys.exit(f"versus: not measured: {', '.join(failed)}")


main()
