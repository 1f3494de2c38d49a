"""A file that one process at a time holds, until it lets go or dies: kill -9 leaves no stale lock."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


@contextmanager
def exclusive(path: Path, *, wait: bool = True) -> Iterator[TextIO]:
    """The open lock file, which says who holds it; BlockingIOError with the holder if not to wait.

    A child that inherits the file's descriptor holds the lock too, for as long as it lives.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise BlockingIOError(_holder(file)) from None
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}")
        file.flush()
        yield file


def _holder(file: TextIO) -> str:
    file.seek(0)
    return file.read() or "another process"
