"""FFmpeg's low-latency DASH, pushed to a server of ours: the peer."""

import http.server
import re
import subprocess
import threading
import time

import boxes


class Receiver(http.server.ThreadingHTTPServer):
    """Takes PUTs and POSTs, whole or in chunks, and notes when what came."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, boxes.Coming] = {}
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        """A sender that is killed breaks off: that is how it ends here."""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_PUT(self):
        coming = self.server.files[self.path] = boxes.Coming()
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            while size := int(self.rfile.readline().split(b";")[0], 16):
                coming.add(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
        else:
            coming.add(self.rfile.read(int(self.headers.get("content-length", 0))))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    do_POST = do_PUT

    def do_DELETE(self):
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def measure(ffmpeg: str, mezzo: str, port: int, rungs, chunk: float, seconds: float, width: int, height: int, rate: int):
    """(init, segments) of each rung, in order."""
    server = Receiver()
    splits = "".join(f"[s{i}]" for i in range(len(rungs)))
    scales = ";".join(f"[s{i}]scale={w}:{h}[v{i}]" for i, (_, w, h, _) in enumerate(rungs))
    command = [ffmpeg, "-nostdin", "-v", "error", "-fflags", "nobuffer", "-probesize", "200k", "-analyzeduration", "1M", "-i", f"udp://127.0.0.1:{port}"]
    command += ["-filter_complex", f"[0:v]split={len(rungs)}{splits};{scales}"]
    for i, (_, _, _, cap) in enumerate(rungs):
        command += ["-map", f"[v{i}]", f"-b:v:{i}", str(cap), f"-maxrate:v:{i}", str(cap), f"-bufsize:v:{i}", str(cap)]
    command += ["-map", "0:a:0", "-c:a", "aac", "-b:a", "128k", "-c:v", "libx264", "-preset", "veryfast", "-tune", "zerolatency", "-g", str(2 * rate), "-keyint_min", str(2 * rate)]
    command += ["-sc_threshold", "0", "-f", "dash", "-ldash", "1", "-streaming", "1", "-use_template", "1", "-use_timeline", "0", "-seg_duration", "2"]
    command += ["-frag_type", "duration", "-frag_duration", str(chunk), "-write_prft", "1", "-utc_timing_url", "http://127.0.0.1/", "-method", "PUT", "-http_persistent", "1"]
    command += ["-adaptation_sets", "id=0,streams=v id=1,streams=a", f"http://127.0.0.1:{server.server_port}/manifest.mpd"]
    feed = [mezzo, "feed", "--output", f"udp://127.0.0.1:{port}", "--size", f"{width}x{height}", "--rate", str(rate), "--bitrate", "6M"]
    children = [subprocess.Popen(c, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for c in (command, feed)]
    time.sleep(seconds + 6)
    # FFmpeg ends in good order only while its feed goes on, and not always then; its last segment is left out anyway.
    for child in children:
        child.kill()
        child.wait()
    server.shutdown()
    found = []
    for i, _ in enumerate(rungs):
        pieces = sorted((int(m[1]), p) for p in list(server.files) if (m := re.fullmatch(rf"/chunk-stream{i}-(\d+)\.m4s", p)))
        # The first segments hold what was queued at the start, the last one breaks off.
        found.append((bytes(server.files[f"/init-stream{i}.m4s"].data), [server.files[p] for _, p in pieces[2:-1]]))
    return found
