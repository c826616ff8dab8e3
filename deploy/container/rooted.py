"""A root file system that is built step by step, and run in."""

import fnmatch
import os
import shutil
import subprocess
from pathlib import Path

from dockerfile import SAID, Step, expanded, words

# What an engine hands over from the machine that it builds on.
HOST_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
GIVEN = "/run/given-certificates.crt"
PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def run(command: list, **more) -> subprocess.CompletedProcess:
    return subprocess.run(command, check=True, **more)


def disk(path: Path) -> int:
    """Megabytes (10^6) that lie under `path`, each hard link once."""
    found = subprocess.run(["du", "-sx", "--block-size=1000000", "--apparent-size", str(path)], capture_output=True, text=True)
    return int(found.stdout.split()[0])


def quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


class Root:
    """A root: where it lies, its environment, its user, and what else the Dockerfile says of it."""

    def __init__(self, path: Path, below: "Root | None"):
        self.path = path
        self.env = dict(below.env) if below else {"PATH": PATH}
        self.args = dict(below.args) if below else {}
        self.user, self.folder, self.said = (below.user, below.folder, dict(below.said)) if below else ("0:0", "/", {})

    @staticmethod
    def copied(path: Path, of: Path, below: "Root | None") -> "Root":
        if path.exists():
            run(["rm", "-rf", "--one-file-system", str(path)])
        run(["cp", "-a", "--reflink=auto", str(of), str(path)])
        return Root(path, below)

    def take(self, step: Step, made: dict, source: Path, cache: Path):
        """One step."""
        known = {**self.args, **self.env}
        if step.word == "ARG":
            # Without a default, or as an engine's --build-arg would not be given here.
            self.args.update(words(step.text, known))
        elif step.word == "ENV":
            self.env.update(words(step.text, known))
        elif step.word == "USER":
            self.user = step.text
        elif step.word == "WORKDIR":
            self.folder = step.text
            (self.path / step.text.lstrip("/")).mkdir(parents=True, exist_ok=True)
        elif step.word == "COPY":
            self.copy(step, made[step.source].path if step.source else None, source)
        elif step.word == "RUN":
            self.run(step, cache)
        elif step.word == "LABEL":
            self.said.setdefault("LABEL", {}).update(words(step.text, known))
        elif step.word in SAID:
            self.said[step.word] = expanded(step.text, known)

    def copy(self, step: Step, stage: "Path | None", source: Path):
        *found, to = step.text.split()
        to = Path(self.folder, to) if not to.startswith("/") else Path(to)
        into = self.path / str(to).lstrip("/")
        for name in found:
            if stage:
                run(["cp", "-a", f"{stage / name.lstrip('/')}/.", str(into)])
            elif (source / name).is_dir():
                shutil.copytree(source / name, into, symlinks=True, dirs_exist_ok=True, ignore=ignored(source))
            else:
                shutil.copy2(source / name, into / name if into.is_dir() else into)

    def run(self, step: Step, cache: Path):
        """A RUN line by /bin/sh, as the user of the stage, with the network."""
        binds = []
        for target in step.caches:
            kept = cache / target.strip("/").replace("/", "-")
            kept.mkdir(parents=True, exist_ok=True)
            (self.path / target.lstrip("/")).mkdir(parents=True, exist_ok=True)
            binds.append((str(kept), target))
        given = {name: value for name, value in os.environ.items() if name in PROXIES}
        if os.path.exists(HOST_CERTIFICATES):
            given.update({name: GIVEN for name in ("SSL_CERT_FILE", "CURL_CA_BUNDLE", "CARGO_HTTP_CAINFO")})
        env = {**self.args, **self.env, **given, "HOME": "/root"}
        # Where there is no name server of its own in it, this machine's is used, and taken out again.
        found = self.inside(["/bin/sh", "-c", step.text], env, binds=binds, network=True)
        if found.returncode != 0:
            raise SystemExit(f"prove: exit code {found.returncode} of: RUN {step.text}")

    def inside(self, command: list, env: dict, binds=(), network=False, readonly=False, user=None, volume=None, **more):
        """Runs a command in it: its own mounts, its own processes. `readonly`: as an engine runs a finished image with `--read-only --cap-drop ALL`."""
        r = str(self.path)
        script = ["set -e", "mount --make-rprivate /", f"mount --bind {r} {r}"]
        # Places to mount on are made before it is read-only.
        script += [f"mkdir -p {r}/proc {r}/dev {r}/sys {r}/run {r}/tmp"]
        if network:
            script += [f"touch {r}/etc/resolv.conf", f"mount --bind /etc/resolv.conf {r}/etc/resolv.conf"]
            if os.path.exists(HOST_CERTIFICATES):
                script += [f"touch {r}{GIVEN}", f"mount --bind {HOST_CERTIFICATES} {r}{GIVEN}"]
        script += [f"mount --bind {place} {r}{target}" for place, target in binds]
        if readonly:
            script += [f"mount -o remount,bind,ro {r}"]
        script += [f"mount -t proc proc {r}/proc", f"mount -t tmpfs -o mode=755 dev {r}/dev"]
        for name, major, minor in (("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)):
            script += [f"mknod -m 666 {r}/dev/{name} c {major} {minor}"]
        script += [f"ln -s /proc/self/fd {r}/dev/fd", f"mkdir {r}/dev/shm", f"mount -t tmpfs -o mode=1777 shm {r}/dev/shm"]
        if volume:
            place, owner = volume
            script += [f"mount -t tmpfs -o mode=755,uid={owner},gid={owner} out {r}{place}"]
        words_ = " ".join(quoted(word) for word in command)
        if user and user != "0:0":
            uid, gid = user.split(":")
            words_ = f"setpriv --reuid {uid} --regid {gid} --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all {words_}"
        script += [f"exec chroot {r} /bin/sh -c {quoted(f'cd {self.folder} && exec {words_}')}"]
        space = ["unshare", "--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child"]
        found = subprocess.run([*space, "/bin/sh", "-c", "\n".join(script)], env=env, **more)
        if network:
            # Empty files that were only mounted on.
            for name in (GIVEN, "/etc/resolv.conf"):
                place = self.path / name.lstrip("/")
                if place.is_file() and place.stat().st_size == 0:
                    place.unlink()
        return found


def ignored(source: Path):
    """What .dockerignore leaves out, for shutil.copytree."""
    patterns = [line for line in (source / ".dockerignore").read_text().split() if not line.startswith("#")]

    def leave(folder: str, names: list) -> set:
        def out(name: str) -> bool:
            path = os.path.relpath(os.path.join(folder, name), source)
            return any(fnmatch.fnmatch(name, p[3:]) if p.startswith("**/") else fnmatch.fnmatch(path, p) for p in patterns)

        return {name for name in names if out(name)}

    return leave
