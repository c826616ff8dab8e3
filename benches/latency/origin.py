"""mezzo with its embedded origin: a feed, a worker, and a reader of each rung that takes segments in the making."""

import http.client
import re
import subprocess
import tempfile
import threading
import time
import urllib.request

import boxes

#: A worker that is not ready after this long never will be.
PATIENCE = 60


class Worker:
    """A feed over UDP and a worker on it; ended by `stop`."""

    def __init__(self, mezzo: str, port: int, ladder: str, chunk: str, latency: str, width: int, height: int, rate: int):
        self.log = tempfile.TemporaryFile(mode="w+")
        run = [mezzo, "run", "--input", f"udp://127.0.0.1:{port}", "--clock", "sei", "--ladder", ladder, "--listen", "127.0.0.1:0", "--chunk", chunk]
        run += ["--latency", latency]
        feed = [mezzo, "feed", "--output", f"udp://127.0.0.1:{port}", "--size", f"{width}x{height}", "--rate", str(rate), "--bitrate", "6M"]
        self.children = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=self.log) for command in (run, feed)]
        self.url = self.wait()

    def said(self) -> str:
        self.log.seek(0)
        return self.log.read()

    def wait(self) -> str:
        begun = time.monotonic()
        while time.monotonic() - begun < PATIENCE:
            found = re.search(r"http://127\.0\.0\.1:\d+", self.said())
            if found and answers(found[0] + "/readyz"):
                return found[0]
            if self.children[0].poll() is not None:
                break
            time.sleep(0.1)
        self.stop()
        raise SystemExit(f"mezzo run was not ready within {PATIENCE} s:\n{self.said()}")

    def stop(self) -> None:
        for child in self.children:
            child.terminate()
        for child in self.children:
            child.wait()


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


class Reader(threading.Thread):
    """Reads one track's segments as they are made, one after another."""

    def __init__(self, url: str, track: str, seconds: float):
        super().__init__()
        self.track, self.seconds, self.segments = track, seconds, []
        self.to = url.removeprefix("http://")
        with urllib.request.urlopen(f"{url}/live/{track}/init.mp4") as answer:
            self.init = answer.read()
        with urllib.request.urlopen(f"{url}/live/{track}/media.m3u8") as answer:
            self.next = max(int(n) for n in re.findall(r"^(\d+)\.m4s$", answer.read().decode(), re.MULTILINE)) + 2

    def run(self) -> None:
        connection, begun = http.client.HTTPConnection(self.to, timeout=30), time.monotonic()
        while time.monotonic() - begun < self.seconds:
            connection.request("GET", f"/live/{self.track}/{self.next}.m4s")
            answer, coming = connection.getresponse(), boxes.Coming()
            if answer.status == 404:
                answer.read()
                time.sleep(0.05)
                continue
            while part := answer.read1(1 << 16):
                coming.add(part)
            if answer.status == 200:
                self.segments.append(coming)
            self.next += 1
