"""Cost against rungs, pixels, frame rate and cores, with a line through each, and a model of machines with many cores: the numbers and plots of docs/scaling.md.

    make scaling                                # measures (about ten minutes of two quiet cores), and writes the page
    make scaling ARGS='--render'                # model and page again, of what is kept in docs/scaling.json

CPU is user and system time of the process, by thread where the stages of the model are meant; of several runs the one that took least counts.
"""

import argparse
import datetime
import json
import os
import pathlib
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
# How a program is run, scored and plotted is the same as beside other programs.
sys.path.insert(1, str(HERE.parent / "versus"))

import document
import machine
import model
import series
from measure import Failed

ROOT = HERE.parent.parent
MEDIA = ROOT.parent / "shared/media"


def arguments():
    parser = argparse.ArgumentParser(prog="scaling", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--film", type=pathlib.Path, default=MEDIA / "tos_1080p2997_aac_8s_ctawave_fmp4.mp4", help="1080p, about 30 pictures a second [default: the film of ../shared/media]")
    parser.add_argument("--quick", type=pathlib.Path, default=MEDIA / "d_ts_bbb_1080p60_aac51_loop20s.ts", help="1080p60, for the frame rate [default: the animation of ../shared/media]")
    parser.add_argument("--quick-seconds", type=float, default=4.0, help="of it, up to a key frame [default: 4]")
    parser.add_argument("--large", type=pathlib.Path, default=MEDIA / "d_ts_2160p60_h264_aac_loop8s.ts", help="2160p60, for the model [default: the board of ../shared/media]")
    parser.add_argument("--large-seconds", type=float, default=2.0, help="of it, up to a key frame [default: 2]")
    parser.add_argument("--runs", type=int, default=3, help="of each [default: 3]")
    parser.add_argument("--render", action="store_true", help="measure nothing, only simulate and write the page")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "docs", help="folder of scaling.md, scaling.json and the plots [default: docs]")
    parser.add_argument("--mezzo", type=pathlib.Path, default=ROOT / "target/release/mezzo", help="[default: target/release/mezzo]")
    parser.add_argument("--ffmpeg", default=os.environ.get("VERSUS_FFMPEG"), help="an FFmpeg, to cut feeds and count pictures [default: $VERSUS_FFMPEG, else imageio-ffmpeg's]")
    return parser.parse_args()


def measure(args):
    """Everything, with when and where."""
    ffmpeg = args.ffmpeg
    if not ffmpeg:
        try:
            import imageio_ffmpeg
        except ImportError:
            raise Failed("no FFmpeg: run it with a Python that has imageio-ffmpeg (make scaling does), or give --ffmpeg PATH") from None
        ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    if not args.mezzo.is_file():
        raise Failed(f"there is no {args.mezzo}: make build, or give --mezzo PATH")
    with tempfile.TemporaryDirectory(prefix="scaling-") as work:
        bench = series.Bench(args, ffmpeg, pathlib.Path(work))
        made = series.all_of(bench)
    feeds = {name: {"name": feed["name"], "rate": feed["rate"], "seconds": feed["seconds"]} for name, feed in [("film", bench.film), ("quick", bench.quick), ("large", bench.large)] if feed}
    return {"date": str(datetime.date.today()), "machine": machine.machine(), "mezzo": machine.version([args.mezzo, "--version"]), "runs": args.runs, "feeds": feeds} | made


def main():
    args = arguments()
    store = args.out / "scaling.json"
    try:
        if args.render and not store.exists():
            raise Failed(f"there is no {store} to render: measure first")
        kept = json.loads(store.read_text()) if args.render else measure(args)
        store.write_text(json.dumps(kept, indent=1) + "\n")
        kept["model"] = model.of(kept)
        store.write_text(json.dumps(kept, indent=1) + "\n")
        document.write(kept, args.out)
        print(f"scaling: {args.out / 'scaling.md'}", file=sys.stderr)
    except Failed as error:
        sys.exit(f"scaling: {error}")


main()
