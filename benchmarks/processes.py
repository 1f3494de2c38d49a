"""Services as processes: started, waited for, weighed and ended."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.load import OK, record_closed_loop
from benchmarks.question import Question
from benchmarks.record import ROOT

START_SECONDS, END_SECONDS = 120, 15


@dataclass(frozen=True)
class Running:
    """A service that answers: `ready_seconds` from the start of its process to its first answer."""

    process: psutil.Process
    question: Question
    ready_seconds: float

    @property
    def family(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]

    @property
    def megabytes(self) -> float:
        """Of memory that is given back when all of its processes end (unique set size), in MiB."""
        return sum(_unique_bytes(process) for process in self.family) / 2**20


def _unique_bytes(process: psutil.Process) -> int:
    with suppress(psutil.NoSuchProcess):
        return int(process.memory_full_info().uss)
    return 0


@contextmanager
def running(
    command: Sequence[str], question: Question, variables: Mapping[str, object], log: Path
) -> Iterator[Running]:
    """The service of the command, once it answers the question; SystemExit where it never does."""
    environment = os.environ | {name: str(value) for name, value in variables.items()}
    with log.open("wb") as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=output, stderr=output, start_new_session=True
        )
    try:
        _wait(process, question, log)
        yield Running(psutil.Process(process.pid), question, time.perf_counter() - started)
    finally:
        _end(process)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(process: subprocess.Popen[bytes], question: Question, log: Path) -> None:
    until = time.perf_counter() + START_SECONDS
    while not record_closed_loop(question, clients=1, seconds=0.001).counts[OK]:
        if process.poll() is not None or time.perf_counter() > until:
            raise SystemExit(f"the service did not answer; the end of its log:\n{log.read_text()[-2000:]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Politely, then with all of its processes."""
    with suppress(psutil.NoSuchProcess):
        first = psutil.Process(process.pid)
        family = [first, *first.children(recursive=True)]  # BentoML's worker has a session of its own
        first.terminate()
        _, alive = psutil.wait_procs(family, END_SECONDS)
        for each in alive:
            each.kill()
    process.wait()
