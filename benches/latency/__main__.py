"""How long a picture takes from entering to being readable at the origin, and FFmpeg's low-latency DASH beside it.

    python benches/latency [--mezzo target/release/mezzo] [--seconds 60] [--chunk 200] [--ffmpeg FFMPEG]

A picture's time is the number burnt into it by `mezzo feed` on this machine; it is readable once the `mdat` of its chunk has been received over HTTP.
The feed's own encoder and the wire are in every figure, for both. Needs a machine that holds the ladder in real time.
"""

import argparse
import os
import pathlib
import socket
import statistics
import tomllib

import burnt
import origin
import receiver

WIDTH, HEIGHT, RATE = 1280, 720, 30


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mezzo", default="target/release/mezzo", help="[default: target/release/mezzo]")
    parser.add_argument("--ffmpeg", default=os.environ.get("VERSUS_FFMPEG"), help="FFmpeg 9 [default: $VERSUS_FFMPEG, else imageio-ffmpeg's]")
    parser.add_argument("--seconds", type=float, default=60, help="of each [default: 60]")
    parser.add_argument("--chunk", type=int, default=200, help="milliseconds [default: 200]")
    parser.add_argument("--latency", default="low", help="low or normal [default: low]")
    parser.add_argument("--ladder", type=pathlib.Path, default=pathlib.Path(__file__).parent / "ladder.toml")
    parser.add_argument("--only", choices=["mezzo", "ffmpeg"], help="[default: both]")
    args = parser.parse_args()
    ffmpeg = args.ffmpeg or bundled()
    rungs = [(v["name"], v["width"], v["height"], bits(v["max_bitrate"])) for v in tomllib.loads(args.ladder.read_text())["video"]]
    print(f"{'':24}{'pictures':>9}{'p50':>8}{'p95':>8}{'p99':>8}{'max':>8}  ms from the picture's time to its chunk readable", flush=True)
    if args.only != "ffmpeg":
        worker = origin.Worker(args.mezzo, free_port(), str(args.ladder), f"{args.chunk}ms", args.latency, WIDTH, HEIGHT, RATE)
        try:
            readers = [origin.Reader(worker.url, name, args.seconds) for name, *_ in rungs]
            [reader.start() for reader in readers]
            [reader.join() for reader in readers]
        finally:
            worker.stop()
        for reader in readers:
            line(f"mezzo {reader.track}", delays(ffmpeg, reader.init, reader.segments))
    if args.only != "mezzo":
        peers = receiver.measure(ffmpeg, args.mezzo, free_port(), rungs, args.chunk / 1000, args.seconds, WIDTH, HEIGHT, RATE)
        for (name, *_), (init, segments) in zip(rungs, peers):
            line(f"ffmpeg -ldash {name}", delays(ffmpeg, init, segments))


def delays(ffmpeg: str, init: bytes, segments) -> list[float]:
    """Milliseconds of each picture."""
    if not segments:
        return []
    numbers = burnt.numbers(ffmpeg, init + b"".join(bytes(s.data) for s in segments), WIDTH, HEIGHT)
    arrivals = [at for segment in segments for at in segment.arrivals]
    if len(numbers) != len(arrivals):
        raise SystemExit(f"{len(numbers)} pictures were decoded of {len(arrivals)} received")
    return [(at - number / RATE) * 1000 for at, number in zip(arrivals, numbers) if number is not None]


def line(name: str, delays: list[float]) -> None:
    if len(delays) < 2:
        print(f"{name:24}{len(delays):9}  nothing to measure")
        return
    cuts = statistics.quantiles(delays, n=100, method="inclusive")
    print(f"{name:24}{len(delays):9}{cuts[49]:8.0f}{cuts[94]:8.0f}{cuts[98]:8.0f}{max(delays):8.0f}", flush=True)


def bits(text: str) -> int:
    """Of "730k", "3.5M"."""
    scale = {"k": 1_000, "M": 1_000_000}.get(text[-1])
    return round(float(text[:-1]) * scale) if scale else int(text)


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def bundled() -> str:
    import imageio_ffmpeg

    return imageio_ffmpeg.get_ffmpeg_exe()


main()
