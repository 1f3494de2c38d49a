"""The threads that decode and infer: a bounded queue in front; what would wait too long is refused at once.

One request is one task of one thread. Images are not gathered into batches: on a processor a batch answers
hardly more images a second than single ones on as many threads, and everyone waits for the last to arrive
(BENCHMARKS.md, "Serving"). Of threads that are free the last to have worked goes next: a single client is
answered some percent sooner than by threads that take turns.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections import deque
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


_Inbox = SimpleQueue[_Task | None]  # of one thread; None ends it


class Workers:
    """`threads` tasks at a time; at most `queue` others wait, none longer than `answer_seconds`.

    Threads of its own, because an executor's futures have locks on both sides. All counting is the event
    loop's; the lock is for who works next.
    """

    def __init__(self, threads: int, *, queue: int, answer_seconds: float) -> None:
        self._threads, self._queue, self._answer_seconds = threads, queue, answer_seconds
        self._waiting: deque[_Task] = deque()
        self._lock = threading.Lock()
        self._pending = 0
        self._mean_seconds = 0.0
        self._closed = False
        self._inboxes: list[_Inbox] = [SimpleQueue() for _ in range(threads)]
        self._free = list(self._inboxes)
        self._started = [
            threading.Thread(target=self._follow, args=(inbox,), name=f"classify_{number}", daemon=True)
            for number, inbox in enumerate(self._inboxes)
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
        self._give(_Task(work, answer, loop))
        self._pending += 1
        timer = loop.call_later(self._answer_seconds, self._expire, answer)
        try:
            return await answer
        finally:
            timer.cancel()

    def close(self) -> None:
        """Ends what runs, begins nothing else."""
        self._closed = True
        with self._lock:
            never_begun, self._waiting = self._waiting, deque()
        for inbox in self._inboxes:
            inbox.put(None)
        for thread in self._started:
            thread.join()
        for task in never_begun:
            self._tell(task, None, asyncio.CancelledError(), 0)

    def _expire(self, answer: asyncio.Future[Any]) -> None:
        if not answer.done():
            message = f"no answer within {self._answer_seconds:g} seconds"
            answer.set_exception(RequestError(504, "timeout", message))

    def _give(self, task: _Task) -> None:
        with self._lock:
            if not self._free:
                self._waiting.append(task)
                return
            inbox = self._free.pop()
        inbox.put(task)

    def _take(self, inbox: _Inbox) -> None:
        """Puts the task that has waited longest into the inbox, or the inbox among the free."""
        with self._lock:
            if self._waiting:
                inbox.put(self._waiting.popleft())
            else:
                self._free.append(inbox)

    def _follow(self, inbox: _Inbox) -> None:
        while (task := inbox.get()) is not None:
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
            self._take(inbox)  # before the answer, whose asker may ask again
            self._tell(task, result, error, seconds)
            del task, result, error  # they hold an image, and would until the next comes

    def _tell(self, task: _Task, result: object, error: BaseException | None, seconds: float) -> None:
        with suppress(RuntimeError):  # the loop has ended, and who asked with it
            task.loop.call_soon_threadsafe(self._ended, task.answer, result, error, seconds)

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
