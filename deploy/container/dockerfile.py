"""As much of a Dockerfile as ours has. A word that is not known is an error, never left out."""

import json
import re
from dataclasses import dataclass, field

# What changes no file and no environment; kept for what tries the image.
SAID = ("LABEL", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT", "CMD", "VOLUME")
KNOWN = ("ARG", "ENV", "RUN", "COPY", "WORKDIR", "USER", *SAID)


@dataclass
class Step:
    """One line: its word, and what follows, with the caches that a RUN mounts and the stage that a COPY reads."""

    word: str
    text: str
    caches: list = field(default_factory=list)
    source: str = ""

    def shown(self) -> str:
        line = f"{self.word} {' '.join(self.text.split())}"
        return line if len(line) <= 110 else line[:107] + "..."


@dataclass(eq=False)
class Stage:
    """A stage, the one that it continues (none: the base image), and its steps."""

    name: str
    below: "Stage | None"
    steps: list


def lines(text: str):
    """Whole instructions: comments left out, continued lines joined."""
    held = ""
    for line in text.splitlines():
        if line.lstrip().startswith("#") or (not line.strip() and not held):
            continue
        held += line
        if held.endswith("\\"):
            held = held[:-1]
            continue
        yield held.strip()
        held = ""
    if held:
        raise SystemExit("Dockerfile: its last line goes on")


def parse(text: str) -> list:
    """The stages of a Dockerfile, in order."""
    stages, head = {}, {}
    for line in lines(text):
        word, rest = (line.split(None, 1) + [""])[:2]
        if word == "FROM":
            found = re.fullmatch(r"(\S+) AS (\S+)", rest) or unknown(line)
            image, name = found.groups()
            image = re.sub(r"\$\{(\w+)\}", lambda m: head[m[1]], image)
            if image not in stages and image != head.get("DEBIAN"):
                unknown(line)
            stages[name] = Stage(name, stages.get(image), [])
        elif not stages and word == "ARG":
            key, _, value = rest.partition("=")
            head[key] = value
        elif stages and word in KNOWN:
            stages[name].steps.append(step(word, rest, stages))
        else:
            unknown(line)
    return list(stages.values())


def step(word: str, rest: str, stages: dict) -> Step:
    made = Step(word, rest)
    while word in ("RUN", "COPY") and made.text.startswith("--"):
        option, made.text = made.text.split(None, 1)
        cache = re.fullmatch(r"--mount=type=cache,target=(/\S+)", option)
        source = re.fullmatch(r"--from=(\w+)", option)
        if cache:
            made.caches.append(cache[1])
        elif source and source[1] in stages:
            made.source = source[1]
        else:
            unknown(f"{word} {option}")
    return made


def words(text: str, env: dict) -> list:
    """KEY=VALUE pairs of ARG, ENV and LABEL, with variables put in."""
    pairs = re.findall(r'([\w.]+)=("(?:[^"\\]|\\.)*"|\S*)', text)
    return [(key, expanded(value.strip('"'), env)) for key, value in pairs]


def expanded(text: str, env: dict) -> str:
    return re.sub(r"\$\{?(\w+)\}?", lambda m: env.get(m[1], ""), text)


def listed(text: str) -> list:
    """["a", "b"] of ENTRYPOINT and CMD."""
    return json.loads(text)


def unknown(line: str):
    raise SystemExit(f"Dockerfile: {line!r} is not known to deploy/container/prove")
