"""The matrix of the report: which feed goes through which ladder, beside whom."""

import dataclasses
import pathlib
import tomllib

from measure import Failed

# Who a cell may name, in the order of the report.
PEERS = ("ffmpeg-9", "ffmpeg-debian", "gstreamer")
POINTS = 4
NAME = set("abcdefghijklmnopqrstuvwxyz0123456789-")


@dataclasses.dataclass
class Cell:
    """A feed, a ladder, and how many points each peer runs. `seconds`: of the feed, None for all of it."""

    name: str
    content: str
    feed: str
    ladder: str
    peers: dict
    seconds: float | None = None
    sound: bool = True
    retag: bool = False
    vmaf: bool = True
    note: str = ""


@dataclasses.dataclass
class Matrix:
    """All cells, the presets of peers by codec, and mezzo's goals by codec."""

    cells: list
    presets: dict
    goals: dict


def read(path):
    """The file, checked."""
    try:
        with open(path, "rb") as file:
            table = tomllib.load(file)
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise Failed(f"{path}: {error}") from error
    unknown = table.keys() - {"presets", "goals", "cell"}
    if unknown:
        raise Failed(f"{path}: unknown key {sorted(unknown)[0]}; accepted: presets, goals, cell")
    cells = [cell(path, values) for values in table.get("cell", [])]
    names = [one.name for one in cells]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or not cells:
        raise Failed(f"{path}: two cells are named {twice[0]}" if twice else f"{path} has no [[cell]]")
    return Matrix(cells, table.get("presets", {}), table.get("goals", {}))


def cell(path, values):
    """One [[cell]]."""
    fields = {field.name: field for field in dataclasses.fields(Cell)}
    where = f"{path}: cell {values.get('name', '?')}"
    for key in values.keys() - fields.keys():
        raise Failed(f"{where}: unknown key {key}; accepted: {', '.join(fields)}")
    for name, field in fields.items():
        if name not in values and field.default is dataclasses.MISSING:
            raise Failed(f"{where} has no {name}")
    made = Cell(**values)
    if not made.name or not set(made.name) <= NAME:
        raise Failed(f"{where}: accepted in a name: a to z, 0 to 9 and -")
    for peer, points in made.peers.items():
        if peer not in PEERS:
            raise Failed(f"{where}: no peer {peer}; accepted: {', '.join(PEERS)}")
        if points not in range(1, POINTS + 1):
            raise Failed(f"{where}: peers.{peer} = {points}; accepted: 1 to {POINTS}")
    if (made.retag or not made.sound) and made.seconds is None:
        raise Failed(f"{where}: retag and sound = false need seconds: only a cut is made anew")
    made.peers = {peer: made.peers[peer] for peer in PEERS if peer in made.peers}
    return made


def ladder(cell, matrix_file):
    """A file beside the matrix, where there is one of that name, else what is built in."""
    beside = pathlib.Path(matrix_file).parent / cell.ladder
    return beside if beside.is_file() else cell.ladder
