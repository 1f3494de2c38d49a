"""The prediction log: every answer, and what users say of it, on its way to parquet files.

A request only puts its answer into a queue. A thread takes what is there twice a second, and writes files
when it has `rows` of them or `seconds` have passed: kill -9 loses no more than that. A full disk loses rows
too; they are counted, and nobody waits.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Self

from registry.prediction_files import Part, grouped, part_of, predictions_folder, trim, write_file
from registry.prediction_rows import Answered, Feedback, Prediction
from registry.workspace import Workspace
from serving.classified import Classified
from serving.observers.metrics import Metrics
from serving.settings import MEGABYTE, Settings
from serving.versions.champion import Served

logger = logging.getLogger("sightline.predictions")

ROWS, SECONDS = 4096, 30.0
TICK_SECONDS = 0.5
# After every few hundred rows: 4,096 at once kept requests waiting for a tenth of a second.
PAUSE_SECONDS = 0.02
# Of the queue, which each tick empties: it is full only where a disk stands still.
QUEUE_ROWS = 8192
DROPPED = "log_dropped"


class PredictionLog:
    """An engine.Observer. `count` is told the event "log_dropped", and of how many rows."""

    def __init__(
        self,
        workspace: Workspace,
        *,
        megabytes: float,
        count: Callable[[str, float], None],
        rows: int = ROWS,
        seconds: float = SECONDS,
    ) -> None:
        self.workspace = workspace
        self._max_bytes, self._rows, self._seconds, self._count = megabytes * MEGABYTE, rows, seconds, count
        self._queue: deque[tuple[int, Classified] | Feedback] = deque()
        self._parts: dict[object, list[Part]] = {}  # of each file that is to be written
        self._written = time.monotonic()
        self._numbers = itertools.count()
        self._failing = False
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="prediction-log", daemon=True)

    @classmethod
    def from_settings(cls, settings: Settings, workspace: Workspace, metrics: Metrics) -> Self | None:
        """None where the settings want no log."""
        if not settings.log_predictions:
            return None
        return cls(workspace, megabytes=settings.log_megabytes, count=metrics.count)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Returns when all that was put into the queue is written."""
        self._stopped.set()
        self._thread.join()

    def classified(self, answer: Classified, data: bytes) -> None:
        self._put((milliseconds_now(), answer))

    def add_feedback(self, feedback: Feedback) -> bool:
        """False where it is lost, because the queue is full."""
        return self._put(feedback)

    def _put(self, row: tuple[int, Classified] | Feedback) -> bool:
        if len(self._queue) >= QUEUE_ROWS:
            self._count(DROPPED, 1)
            return False
        self._queue.append(row)
        return True

    def _follow(self) -> None:
        import pyarrow.parquet  # noqa: F401 - at the first file it would hold up requests for a third of a second

        while not self._stopped.wait(TICK_SECONDS):
            self._take()
            waiting = sum(map(_rows, self._parts.values()))
            if waiting >= self._rows or time.monotonic() - self._written >= self._seconds:
                self._write()
        self._take()
        self._write()

    def _take(self) -> None:
        """Turns answers into rows, and these into Arrow's: neither models nor many objects stay in memory."""
        taken = (self._queue.popleft() for _ in range(len(self._queue)))
        rows = [row if isinstance(row, Feedback) else prediction_row(*row) for row in taken]
        for group in grouped(rows):
            with self._losing(len(group)):
                part = part_of(group)
                self._parts.setdefault(part.key, []).append(part)

    def _write(self) -> None:
        files, self._parts, self._written = self._parts, {}, time.monotonic()
        for parts in files.values():
            with self._losing(_rows(parts)):
                write_file(self.workspace, parts, next(self._numbers), pause=_pause)
                self._failing = False
        with suppress(OSError):  # a folder that cannot be changed was complained of just now
            trim(predictions_folder(self.workspace), max_bytes=self._max_bytes)

    @contextmanager
    def _losing(self, rows: int) -> Iterator[None]:
        """Whatever the disk, or a row, does: the service goes on without these rows."""
        try:
            yield
        except Exception as error:
            self._count(DROPPED, rows)
            self._say(error)

    def _say(self, error: Exception) -> None:
        """Once, until a file could be written again."""
        if not self._failing:
            logger.error("predictions are not logged, they are lost: %s", error)
        self._failing = True


def _rows(parts: Iterable[Part]) -> int:
    return sum(part.table.num_rows for part in parts)


def _pause() -> None:
    time.sleep(PAUSE_SECONDS)


def milliseconds_now() -> int:
    return time.time_ns() // 1_000_000


def answered(served: Served, names: list[str]) -> Answered:
    """What that version said of an image, without the version's model."""
    classifier = served.classifier
    return Answered(served.pointer, served.arm, classifier.task, classifier.class_names, tuple(names))


def prediction_row(milliseconds: int, answer: Classified) -> Prediction:
    """The answer's row; `milliseconds` since 1970 is when it was given."""
    judgement, class_names = answer.judgement, answer.served.classifier.class_names
    return Prediction(
        id=answer.id,
        time=milliseconds,
        answered=answered(answer.served, answer.names),
        sha256=answer.sha256,
        probabilities=judgement.probabilities[0],
        energy=float(judgement.energy[0]),
        unusual=bool(judgement.unusual[0]),
        abstain=bool(judgement.abstains[0]),
        prediction_set=tuple(class_names[k] for k in judgement.sets[0].nonzero()[0]),
        cached=answer.cached,
        decode_seconds=answer.seconds["decode"],
        infer_seconds=answer.seconds["infer"],
    )
