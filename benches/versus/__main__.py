"""mezzo beside FFmpeg 9 on one feed and one ladder: CPU, wall, peak memory, bytes and VMAF per rung, as ratios.

    python3 -m venv /tmp/versus && /tmp/versus/bin/pip install imageio-ffmpeg    # FFmpeg 9, static, with libvmaf
    cargo build --release
    /tmp/versus/bin/python benches/versus feed.ts

Both run in turn, several times. Bytes are matched first: mezzo runs as its ladder says, and FFmpeg's CRF is searched for each rung until its bytes are
within 2 % of mezzo's (where its cap keeps it below them, its cap is raised). Then CPU seconds and memory are what the kernel says of each process.
"""

import argparse
import os
import pathlib
import sys
import tempfile

import match
import score
import table
import workers
from measure import Failed, run


def arguments():
    parser = argparse.ArgumentParser(prog="versus", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("feed", type=pathlib.Path, help="a progressive file at a constant rate, BT.709, limited range")
    parser.add_argument("--ladder", default="avc-1080p-6", help="built-in name or file [default: avc-1080p-6]")
    parser.add_argument("--mezzo", type=pathlib.Path, default=pathlib.Path("target/release/mezzo"), help="[default: target/release/mezzo]")
    parser.add_argument("--ffmpeg", default=os.environ.get("VERSUS_FFMPEG"), help="FFmpeg 9 with libx264 and libvmaf [default: $VERSUS_FFMPEG, else imageio-ffmpeg's]")
    parser.add_argument("--preset", default="veryfast", help="x264's or x265's, for FFmpeg [default: veryfast]")
    parser.add_argument("--bucket", type=float, default=1.0, help="FFmpeg's bufsize in seconds of its maxrate [default: 1]")
    parser.add_argument("--runs", type=int, default=5, help="of each, in turn, after one that is not counted [default: 5]")
    parser.add_argument("--subsample", type=int, default=1, help="score every so manieth picture; more than 1 flatters some settings [default: 1]")
    parser.add_argument("--no-vmaf", action="store_true", help="CPU, memory and bytes only")
    return parser.parse_args()


def ffmpeg_path(wish):
    if wish:
        return wish
    try:
        import imageio_ffmpeg
    except ImportError:
        sys.exit("versus: no FFmpeg: run it with a Python that has imageio-ffmpeg (see --help), or give --ffmpeg PATH")
    return imageio_ffmpeg.get_ffmpeg_exe()


def compare(args, ffmpeg, work):
    plan = workers.plan(args.mezzo, args.feed, args.ladder, work)
    mezzo = workers.Mezzo(args.mezzo, args.feed, args.ladder, work / "mezzo")
    mezzo.encode()
    peer = workers.Ffmpeg(ffmpeg, args.feed, plan, {"avc": args.preset, "hevc": args.preset}, args.bucket, work / "ffmpeg")
    match.bytes_of(peer, {name: mezzo.bytes(name) for name in peer.rungs})
    count = score.pictures(ffmpeg, args.feed)
    for side in (mezzo, peer):
        score.joined(ffmpeg, side.segments(plan["video"][-1]["name"]), count, work)

    usages = []
    for number in range(args.runs):
        usages.append((mezzo.encode(), peer.encode()))
        ours, theirs = usages[-1]
        print(f"run {number + 1}: CPU {ours.cpu:.2f} / {theirs.cpu:.2f} s = {ours.cpu / theirs.cpu:.3f}", file=sys.stderr)
    scores = {}
    if not args.no_vmaf:
        for name in peer.rungs:
            scores[name] = tuple(score.vmaf(ffmpeg, args.feed, side.segments(name), plan, work, args.subsample) for side in (mezzo, peer))
            print(f"{name}: VMAF {scores[name][0].mean:.2f} / {scores[name][1].mean:.2f}", file=sys.stderr)
    print(table.heading(args, ffmpeg, plan))
    print(table.machine(usages))
    print(table.rungs(plan, count, mezzo, peer, scores))


def main():
    args = arguments()
    ffmpeg = ffmpeg_path(args.ffmpeg)
    try:
        # To know in time whether it has what is needed.
        if "libvmaf" not in run([ffmpeg, "-hide_banner", "-filters"], 30).text:
            sys.exit(f"versus: {ffmpeg} has no libvmaf (the one in the PyPI package imageio-ffmpeg has)")
        with tempfile.TemporaryDirectory(prefix="versus-") as work:
            compare(args, ffmpeg, pathlib.Path(work))
    except Failed as error:
        sys.exit(f"versus: {error}")


main()
