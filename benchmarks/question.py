"""What a service is asked under load, as bytes on the wire, and what came of it."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.photographs import PLACE

BOUNDARY = "b0undary"


@dataclass(frozen=True)
class Answered:
    """Answers a second, percentiles of their times, and the requests that had another status or none."""

    per_second: float
    p50_ms: float
    p99_ms: float
    failed: int


@dataclass(frozen=True)
class Question:
    """A POST to a port of this machine; a share `new` of the requests has a number of its own at PLACE."""

    port: int
    path: str
    content_type: str
    body: bytes
    new: float = 0.0

    @property
    def place(self) -> bytes:
        """PLACE, or nothing where the body does not have it."""
        return PLACE if PLACE in self.body else b""

    @property
    def halves(self) -> tuple[bytes, bytes]:
        """The whole request before PLACE, and after it."""
        head = (
            f"POST {self.path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n"
            f"Content-Type: {self.content_type}\r\nContent-Length: {len(self.body)}\r\n\r\n"
        )
        before, _, after = (head.encode() + self.body).partition(PLACE)
        return before, after

    def requests(self) -> Iterator[bytes]:
        """Whole requests without end; the new numbers are others than at any other time."""
        (before, after), place, run = self.halves, self.place, random.randrange(10**8)
        for count in itertools.count():
            is_new = place and random.random() < self.new
            yield before + (b"%08d%08d" % (run, count) if is_new else place) + after


def form(name: str, data: bytes) -> tuple[str, bytes]:
    """Content type and body of a form with one file."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="a.jpg"\r\n'
    head += "Content-Type: image/jpeg\r\n\r\n"
    return (
        f"multipart/form-data; boundary={BOUNDARY}",
        head.encode() + data + f"\r\n--{BOUNDARY}--\r\n".encode(),
    )
