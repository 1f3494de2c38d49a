"""What becomes of requests when there are too many for long, and when workers are killed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median

import psutil

from benchmarks.load import OK, Record, open_loop, record_closed_loop
from benchmarks.processes import Running
from benchmarks.record import table

CLIENTS = 8
TIMES_CAPACITY = 2
CAPACITY_SECONDS = 10
WEIGHED_EVERY_SECONDS = 5
KILLED_EVERY_SECONDS, KILLING_SECONDS = 1, 60
WORKER = "_bentoml_impl.worker"


def overload(ours: Running, minutes: float) -> str:
    """Twice as many requests as it can answer: how they end, and how its memory grows."""
    capacity = record_closed_loop(ours.question, clients=CLIENTS, seconds=CAPACITY_SECONDS)
    asked = TIMES_CAPACITY * capacity.counts[OK] / CAPACITY_SECONDS
    weights: list[float] = []
    with _every(WEIGHED_EVERY_SECONDS, lambda: weights.append(ours.megabytes)):
        record = open_loop(ours.question, per_second=asked, seconds=60 * minutes)
    fifth = max(1, len(weights) // 5)
    early, late = median(weights[fifth : 2 * fifth] or weights), median(weights[-fifth:])
    return (
        f"{asked:.0f} requests a second for {minutes:g} minutes: {TIMES_CAPACITY} times what {CLIENTS}"
        f" clients get.\n\n{_endings(record)}\n\nMemory: {early:.1f} MiB in the second fifth of the time,"
        f" {late:.1f} MiB in the last ({late - early:+.1f})."
    )


def killed(ours: Running, seconds: float = KILLING_SECONDS) -> str:
    """kill -9 of the worker that most clients are connected to, every second in which another is there."""
    kills: list[int] = []
    with _every(KILLED_EVERY_SECONDS, lambda: kills.extend(_kill_one(ours))):
        record = record_closed_loop(ours.question, clients=CLIENTS, seconds=seconds)
    return (
        f"{len(kills)} times in {seconds:g} seconds one of two workers was killed, when the other had"
        f" started; with each at most the requests of {CLIENTS} clients can be lost.\n\n{_endings(record)}"
    )


def _kill_one(ours: Running) -> list[int]:
    """The worker's process id; nothing where fewer than two have had the time that it takes to start."""
    now = time.time()
    workers = [process for process in ours.process.children(recursive=True) if _is_worker(process)]
    started = [process for process in workers if now - process.create_time() > ours.ready_seconds]
    if len(started) < 2:
        return []
    victim = max(started, key=lambda worker: _connections(worker, ours.question.port))
    victim.kill()
    return [victim.pid]


def _connections(worker: psutil.Process, port: int) -> int:
    found = worker.net_connections("tcp")
    return sum(each.status == psutil.CONN_ESTABLISHED and each.laddr.port == port for each in found)


def _is_worker(process: psutil.Process) -> bool:
    try:
        return any(WORKER in part for part in process.cmdline())
    except psutil.Error:  # it ended meanwhile
        return False


def _endings(record: Record) -> str:
    total = record.counts.total()
    rows = [
        (outcome, f"{count:,}", f"{count / total:.2%}",
         f"{record.percentile_ms(50, outcome):.1f}", f"{record.percentile_ms(99, outcome):.1f}")
        for outcome, count in record.counts.most_common()
    ]  # fmt: skip
    return table(("answer", "requests", "share", "p50 ms", "p99 ms"), rows)


@contextmanager
def _every(seconds: float, action: Callable[[], None]) -> Iterator[None]:
    """Calls the action in a thread until the block ends."""
    ended = threading.Event()

    def repeat() -> None:
        while not ended.wait(seconds):
            action()

    thread = threading.Thread(target=repeat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
