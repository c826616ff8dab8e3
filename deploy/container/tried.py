"""What a finished image is tried with: as its own user, without rights, on a read-only root, with one volume."""

import json
import re
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

from dockerfile import listed
from rooted import Root, disk

LIMIT = 120


class Image:
    """Runs commands in a root as an engine would run the image."""

    def __init__(self, root: Root):
        self.root = root
        uid, _, gid = root.user.partition(":")
        self.how = {"env": {**root.env, "HOME": "/nonexistent"}, "readonly": True, "user": root.user, "volume": (root.said["VOLUME"], uid)}
        self.gid = gid

    def sh(self, script: str) -> subprocess.CompletedProcess:
        return self.root.inside(["/bin/sh", "-c", script], timeout=LIMIT, capture_output=True, text=True, **self.how)


def tried(root: Root) -> dict:
    """What was found; `wrong` is empty where everything is as it must be."""
    image, wrong = Image(root), []

    def expect(what: str, holds: bool, found=""):
        if not holds:
            wrong.append(f"{what} {str(found).strip()[-600:]}".strip())

    program = root.path / "usr/bin/mezzo"
    expect("the program is not there", program.is_file())
    expect("no list of crates in the program", b".dep-v0" in program.read_bytes())
    expect("no list of packages", (root.path / "var/lib/dpkg/status").stat().st_size > 10_000)
    expect("lists of apt are left", not any((root.path / "var/lib/apt/lists").glob("*Packages*")))
    expect("it runs as root", not root.user.startswith(("0", "root")), root.user)
    expect("no entry point", listed(root.said["ENTRYPOINT"]) == ["mezzo"])
    for label in ("title", "description", "version", "revision", "licenses", "base.name"):
        expect(f"no label {label}", bool(root.said.get("LABEL", {}).get(f"org.opencontainers.image.{label}")))

    done = image.sh("touch /usr/x /etc/x /tmp/x 2>&1; id -u; touch /out/x && echo writes; grep -E 'CapEff|NoNewPrivs' /proc/self/status")
    expect("the root can be written to", done.stdout.count("Read-only file system") == 3, done.stdout)
    expect("the volume cannot be written to", "writes" in done.stdout, done.stdout + done.stderr)
    expect("it has rights", "CapEff:\t0000000000000000" in done.stdout and "NoNewPrivs:\t1" in done.stdout, done.stdout)
    done = image.sh("ldd /usr/bin/mezzo | grep 'not found'")
    expect("libraries are missing:", not done.stdout, done.stdout)

    done = image.sh("mezzo probe --json")
    ready = []
    if done.returncode == 0:
        ready = [f"{b['codec']} by {b['backend']}" for b in json.loads(done.stdout)["backends"] if b["state"] == "ready"]
    expect("mezzo probe fails:", done.returncode == 0, done.stderr)
    for backend in ("avc by x264", "hevc by x265", "av1 by rav1e", "aac by aac"):
        expect(f"{backend} is not ready:", backend in ready, ready)

    begun = time.monotonic()
    done = image.sh("mezzo run --input testsrc:size=640x360 --ladder tiny --pace fast --duration 4s --output /out/ch && mezzo check /out/ch")
    took = time.monotonic() - begun
    expect("a run, and its check, fail:", done.returncode == 0, done.stdout + done.stderr)
    gst = "gst:videotestsrc num-buffers=100 ! video/x-raw,width=320,height=180,framerate=25/1"
    done = image.sh(f"mezzo run --input '{gst}' --ladder tiny --pace fast --output /out/gst && mezzo check /out/gst")
    expect("a run of a GStreamer pipeline fails:", done.returncode == 0, done.stdout + done.stderr)
    wrong += live(image)
    return {
        "megabytes": disk(root.path),
        "packages": len(re.findall(r"^Status: install ok installed$", (root.path / "var/lib/dpkg/status").read_text(), re.M)),
        "user": root.user,
        "ready": ready,
        "seconds_of_a_run_and_its_check": round(took, 1),
        "wrong": wrong,
    }


def live(image: Image) -> list:
    """A live run that is watched by the image's own health check, and stopped."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    root, how = image.root, image.how
    wrong, check = [], listed(root.said["HEALTHCHECK"].partition("CMD ")[2])
    command = ["mezzo", "run", "--input", "testsrc:size=640x360", "--ladder", "tiny", "--listen", f"127.0.0.1:{port}"]
    ended = {}

    def work():
        ended["run"] = root.inside(command, capture_output=True, text=True, timeout=LIMIT, **how)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        pid = None
        until = time.monotonic() + 60
        healthy = None
        while time.monotonic() < until and thread.is_alive():
            pid = pid or first(f"127.0.0.1:{port}")
            if pid:
                enter = ["nsenter", "--target", str(pid), "--mount", "--pid", "--root", "--wd=/", "--", *check]
                healthy = subprocess.run(enter, env=how["env"], capture_output=True, text=True)
                if healthy.returncode == 0:
                    break
            time.sleep(0.2)
        if healthy is None or healthy.returncode != 0:
            wrong.append(f"its health check never passed: {healthy and healthy.stdout + healthy.stderr}")
        begun = time.monotonic()
        if pid:
            subprocess.run(["kill", f"-{int(signal.SIGTERM)}", str(pid)])
        thread.join(15)
        took = time.monotonic() - begun
        if thread.is_alive() or took > 3 or ended["run"].returncode != 0:
            wrong.append(f"SIGTERM: {took:.1f} s, {ended.get('run') and (ended['run'].returncode, ended['run'].stderr[-500:])}")
    finally:
        if thread.is_alive() and pid:
            subprocess.run(["kill", "-9", str(pid)])
        thread.join(LIMIT)
    return wrong


def first(address: str):
    """The process on this machine that was started to listen at `address`."""
    for place in Path("/proc").glob("[0-9]*"):
        try:
            words = (place / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if words[0] == b"mezzo" and address.encode() in words:
            return int(place.name)
    return None
