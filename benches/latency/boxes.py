"""Segments as they come: which pictures are readable when."""

import dataclasses
import time


@dataclasses.dataclass
class Coming:
    """A segment that is being received."""

    data: bytearray = dataclasses.field(default_factory=bytearray)
    #: For every sample that is wholly there, when (seconds since 1970) its `mdat` was.
    arrivals: list[float] = dataclasses.field(default_factory=list)
    #: Where the next box begins, and how many samples the last `moof` spoke of.
    at: int = 0
    samples: int = 0

    def add(self, data: bytes) -> None:
        self.data += data
        now = time.time()
        while len(self.data) >= self.at + 8:
            size, kind = int.from_bytes(self.data[self.at : self.at + 4], "big"), bytes(self.data[self.at + 4 : self.at + 8])
            if size < 8 or len(self.data) < self.at + size:
                return
            if kind == b"moof":
                self.samples = samples(bytes(self.data[self.at + 8 : self.at + size]))
            elif kind == b"mdat":
                self.arrivals += [now] * self.samples
            self.at += size


def samples(moof: bytes) -> int:
    """How many samples the `trun` boxes of a `moof` have."""
    return sum(int.from_bytes(trun[4:8], "big") for traf in children(moof, b"traf") for trun in children(traf, b"trun"))


def children(body: bytes, wanted: bytes):
    at = 0
    while at + 8 <= len(body):
        size = int.from_bytes(body[at : at + 4], "big")
        if size < 8:
            return
        if body[at + 4 : at + 8] == wanted:
            yield body[at + 8 : at + size]
        at += size
