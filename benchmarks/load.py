"""Load on an HTTP service of this machine, by wrk where it is installed and can, else by clients of our own.

In a closed loop each client waits for its answer before it asks again, so that a slow service is asked less.
An open loop asks at times that were fixed before, and counts each latency from such a time: what waits
because the service is slow is not left out ("coordinated omission").
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import httptools
import numpy as np

from benchmarks import wrk
from benchmarks.question import Answered, Question

TIMEOUT_SECONDS = 60
# More than a service is to let wait, fewer than a process may open (1,024 files).
MOST_CONNECTIONS = 900
# A refused connection is tried again no sooner.
PAUSE_SECONDS = 0.05
OK = "200"


@dataclass
class Record:
    """Seconds of every request, by how it ended: a status, or "refused", "reset", "closed", "timeout".

    "reset" and "closed" are connections that ended without the whole answer, "unsent" what found
    MOST_CONNECTIONS in use.
    """

    seconds: dict[str, list[float]] = field(default_factory=dict)

    def add(self, outcome: str, seconds: float) -> None:
        self.seconds.setdefault(outcome, []).append(seconds)

    @property
    def counts(self) -> Counter[str]:
        return Counter({outcome: len(seconds) for outcome, seconds in self.seconds.items()})

    def percentile_ms(self, percent: float, outcome: str = OK) -> float:
        """NaN where nothing ended so."""
        return 1000 * float(np.percentile(self.seconds.get(outcome) or [np.nan], percent))


def closed_loop(question: Question, *, clients: int, seconds: float) -> Answered:
    """What that many clients get in that time, each on a connection that it keeps."""
    if shutil.which("wrk"):
        return wrk.closed_loop(question, clients=clients, seconds=seconds)
    record = record_closed_loop(question, clients=clients, seconds=seconds)
    counts = record.counts
    return Answered(
        per_second=counts[OK] / seconds,
        p50_ms=record.percentile_ms(50),
        p99_ms=record.percentile_ms(99),
        failed=counts.total() - counts[OK],
    )


def record_closed_loop(question: Question, *, clients: int, seconds: float) -> Record:
    """The same by our own clients, which also say how requests failed."""
    return asyncio.run(_closed_loop(question, clients, seconds))


def open_loop(question: Question, *, per_second: float, seconds: float, seed: int = 1) -> Record:
    """Requests at random times (a Poisson process), whatever becomes of those before."""
    gaps = np.random.default_rng(seed).exponential(1 / per_second, round(per_second * seconds))
    return asyncio.run(_open_loop(question, np.cumsum(gaps)))


async def _closed_loop(question: Question, clients: int, seconds: float) -> Record:
    connections, record = _Connections(question.port), Record()
    requests, until = question.requests(), time.perf_counter() + seconds

    async def client() -> None:
        while (begin := time.perf_counter()) < until:
            outcome = await connections.ask(next(requests))
            record.add(outcome, time.perf_counter() - begin)
            if outcome == "refused":
                await asyncio.sleep(PAUSE_SECONDS)

    await _all([client] * clients)
    connections.close()
    return record


async def _open_loop(question: Question, times: np.ndarray) -> Record:
    connections, record = _Connections(question.port), Record()
    requests, begin = question.requests(), time.perf_counter()

    async def ask(due: float) -> None:
        outcome = await connections.ask(next(requests))
        record.add(outcome, time.perf_counter() - due)

    async with asyncio.TaskGroup() as group:
        for due in begin + times:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            group.create_task(ask(float(due)))
    connections.close()
    return record


async def _all(works: list[Callable[[], Awaitable[None]]]) -> None:
    await asyncio.gather(*(work() for work in works))


class _Connections:
    """Connections that are kept; the one that was used last is used next."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[_Connection] = []
        self._used = 0

    async def ask(self, request: bytes) -> str:
        """How the request ended."""
        if self._used >= MOST_CONNECTIONS:
            return "unsent"
        self._used += 1
        try:
            connection = await self._an_open_one()
            outcome = await connection.ask(request)
        except OSError:
            return "refused"
        finally:
            self._used -= 1
        if connection.is_open:
            self._idle.append(connection)
        return outcome

    async def _an_open_one(self) -> _Connection:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open:
                return connection
        _, made = await asyncio.get_running_loop().create_connection(_Connection, "127.0.0.1", self._port)
        return made

    def close(self) -> None:
        for connection in self._idle:
            connection.close()


class _Connection(asyncio.Protocol):
    """One request at a time; httptools calls `on_message_complete`."""

    def __init__(self) -> None:
        self.is_open = True
        self._parser = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[str] | None = None

    async def ask(self, request: bytes) -> str:
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                return await self._answer
        except TimeoutError:
            self.close()
            return "timeout"

    def close(self) -> None:
        self.is_open = False
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        self.is_open &= self._parser.should_keep_alive()
        self._end(str(self._parser.get_status_code()))

    def connection_lost(self, error: Exception | None) -> None:
        self.is_open = False
        self._end("reset" if error else "closed")

    def _end(self, outcome: str) -> None:
        if self._answer and not self._answer.done():
            self._answer.set_result(outcome)
