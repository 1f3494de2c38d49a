"""Waiting until somebody asks a process to stop."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def stop_signals() -> Iterator[Callable[[float], bool]]:
    """Waits so many seconds; True once SIGTERM or SIGINT has come. The earlier handlers come back at the end.

    By a pipe that the system's own handler writes to: one in Python runs in the main thread when that wakes
    up, and a signal that reaches another thread does not wake it.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)  # set_wakeup_fd demands it
    earlier_pipe = signal.set_wakeup_fd(writing)
    earlier = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield lambda seconds: bool(select.select([reading], [], [], seconds)[0])
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(earlier_pipe)
        os.close(reading)
        os.close(writing)
