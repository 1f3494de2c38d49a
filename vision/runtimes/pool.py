"""Engines that answer one call at a time, for several calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Generic, TypeVar

Engine = TypeVar("Engine")


class Pool(Generic[Engine]):
    """At most `limit` engines, each made when it is first needed; a call waits for one."""

    def __init__(self, make: Callable[[], Engine], *, limit: int) -> None:
        self._make = make
        self._free: list[Engine] = []
        self._places: SimpleQueue[None] = SimpleQueue()  # a semaphore, but without Python's own work
        for _ in range(limit):
            self._places.put(None)

    @contextmanager
    def borrow(self) -> Iterator[Engine]:
        self._places.get()
        try:
            try:
                engine = self._free.pop()  # the latest: of that one the processor's caches hold most
            except IndexError:  # asked first, another thread could take the last in between
                engine = self._make()
            try:
                yield engine
            finally:
                self._free.append(engine)
        finally:
            self._places.put(None)
