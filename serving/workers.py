"""The threads that decode and infer: a bounded queue in front; what would wait too long is refused at once.

One request is one task of one thread. Images are not gathered into batches: on a processor a batch answers
hardly more images a second than single ones on as many threads, and everyone waits for the last to arrive
(BENCHMARKS.md, "Serving").
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from serving.answers import RequestError

T = TypeVar("T")

# Weight of the newest task in the mean duration: the last 50 or so count.
RECENT = 0.02


class Workers:
    """`threads` tasks at a time; at most `queue` others wait, none longer than `answer_seconds`."""

    def __init__(self, threads: int, *, queue: int, answer_seconds: float) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="classify")
        self._threads, self._queue, self._answer_seconds = threads, queue, answer_seconds
        self._lock = threading.Lock()
        self._pending = 0
        self._mean_seconds = 0.0

    @property
    def pending(self) -> int:
        """Tasks that wait or run."""
        return self._pending

    def check_room(self) -> None:
        """RequestError (429) where a new task would find the queue full, or be late at the end of it.

        Asked before a body is read as well, so that overload costs as little as it can.
        """
        wait = max(0, self._pending + 1 - self._threads) * self._mean_seconds / self._threads
        if self._pending < self._threads + self._queue and wait < self._answer_seconds:
            return
        seconds = max(1, math.ceil(wait))
        message = f"{self._pending} requests are being answered or wait already: try again in {seconds} s"
        raise RequestError(429, "overloaded", message, headers={"retry-after": str(seconds)})

    async def run(self, work: Callable[[], T]) -> T:
        """What `work` gives in a thread; RequestError 429 where there is no room, 504 where it came too late.

        A task whose time ran out in the queue is never begun.
        """
        self.check_room()
        future = self._pool.submit(self._timed, work)
        with self._lock:
            self._pending += 1
        future.add_done_callback(self._ended)
        try:
            async with asyncio.timeout(self._answer_seconds):
                return await asyncio.wrap_future(future)
        except TimeoutError:
            message = f"no answer within {self._answer_seconds:g} seconds"
            raise RequestError(504, "timeout", message) from None

    def close(self) -> None:
        """Ends what runs, begins nothing else."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _timed(self, work: Callable[[], T]) -> T:
        begin = time.perf_counter()
        try:
            return work()
        finally:
            seconds = time.perf_counter() - begin
            with self._lock:
                self._mean_seconds += RECENT * (seconds - self._mean_seconds)

    def _ended(self, future: Future[T]) -> None:
        with self._lock:
            self._pending -= 1
