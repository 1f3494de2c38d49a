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
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, NamedTuple, TypeVar

from serving.answers import RequestError

T = TypeVar("T")

# Weight of the newest task in the mean duration: the last 50 or so count.
RECENT = 0.02


class _Task(NamedTuple):
    work: Callable[[], Any]
    answer: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop


class Workers:
    """`threads` tasks at a time; at most `queue` others wait, none longer than `answer_seconds`.

    Threads of its own, because an executor's futures have locks on both sides. All counting is the event
    loop's, so that nothing is locked.
    """

    def __init__(self, threads: int, *, queue: int, answer_seconds: float) -> None:
        self._threads, self._queue, self._answer_seconds = threads, queue, answer_seconds
        self._tasks: SimpleQueue[_Task | None] = SimpleQueue()
        self._pending = 0
        self._mean_seconds = 0.0
        self._closed = False
        self._started = [
            threading.Thread(target=self._follow, name=f"classify_{number}", daemon=True)
            for number in range(threads)
        ]
        for thread in self._started:
            thread.start()

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

        A task whose time ran out in the queue, or whose client left, is never begun. 503 after `close`.
        """
        self.check_room()
        if self._closed:
            raise RequestError(503, "not_ready", "the service is ending: try again, another will answer")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        self._tasks.put(_Task(work, answer, loop))
        self._pending += 1
        timer = loop.call_later(self._answer_seconds, self._expire, answer)
        try:
            return await answer
        finally:
            timer.cancel()

    def close(self) -> None:
        """Ends what runs, begins nothing else."""
        self._closed = True
        for _ in self._started:
            self._tasks.put(None)
        for thread in self._started:
            thread.join()

    def _expire(self, answer: asyncio.Future[Any]) -> None:
        if not answer.done():
            message = f"no answer within {self._answer_seconds:g} seconds"
            answer.set_exception(RequestError(504, "timeout", message))

    def _follow(self) -> None:
        while (task := self._tasks.get()) is not None:
            result: object = None
            error: BaseException | None = None
            seconds = 0.0
            if self._closed:
                error = asyncio.CancelledError()
            elif not task.answer.done():
                begin = time.perf_counter()
                try:
                    result = task.work()
                except BaseException as raised:  # it is the asker's
                    error = raised
                seconds = time.perf_counter() - begin
            with suppress(RuntimeError):  # the loop has ended, and who asked with it
                task.loop.call_soon_threadsafe(self._ended, task.answer, result, error, seconds)
            del task, result, error  # they hold an image, and would until the next comes

    def _ended(
        self, answer: asyncio.Future[Any], result: object, error: BaseException | None, seconds: float
    ) -> None:
        """`seconds` is 0 of a task that was not begun."""
        self._pending -= 1
        if seconds:
            self._mean_seconds += RECENT * (seconds - self._mean_seconds)
        if answer.done():
            return
        if isinstance(error, asyncio.CancelledError):
            answer.cancel()
        elif error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(result)
