"""The simulation: day after day the champion answers, somebody looks, and drift starts a retraining."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks.month_stream import Stream
from vision.image_array import ImageArray
from vision.operation_config import RetrainConfig
from vision.prepared import LabelledImages
from vision.retraining import decide_retraining

FIRST_DAY = datetime(2026, 1, 1, 3, tzinfo=UTC)  # of the simulated clock


class Model(Protocol):
    def answer(self, images: ImageArray) -> NDArray[np.intp]:
        """Classes (N,) of images (N, H, W, 3)."""


class System(Model, Protocol):
    """What is simulated: the champion that answers, its monitoring, its retraining."""

    @property
    def version(self) -> int: ...

    def look(self, images: ImageArray, *, day: int) -> tuple[str, ...]:
        """Why the day is drift; nothing where it is none."""

    def retrain(self, reviewed: LabelledImages) -> str:
        """What the gate said of the version that learned from these too."""


@dataclass(frozen=True)
class Day:
    """One day: accuracies 0..1 of the champion of that morning and of the first one, on the same images.

    `decision`: of the gate, where a retraining was started in the evening.
    """

    day: int
    strength: float
    is_alarm: bool
    accuracy: float
    without: float
    version: int
    decision: str = ""


def live(system: System, first: Model, stream: Stream, *, days: int, config: RetrainConfig) -> Iterator[Day]:
    """`first` is the champion of the first day, which answers beside it as if nothing was ever retrained."""
    last_start: datetime | None = None
    reviews = itertools.count()
    for day in range(days):
        now, arrived = FIRST_DAY + timedelta(days=day), stream.arrive(day)
        drift, version = system.look(arrived.images, day=day), system.version
        accuracies = [_accuracy(each, arrived) for each in (system, first)]
        due = decide_retraining(config, drift=drift, reviews=0, last_start=last_start, now=now)
        decision = ""
        if due.trigger is not None:
            last_start, decision = now, system.retrain(stream.review(day, next(reviews)))
        yield Day(day, stream.strength(day), bool(drift), *accuracies, version, decision)


def false_alarms(days: Sequence[Day]) -> int:
    """Alarms on days without drift, as long as the first champion serves: its reference is of such days."""
    return sum(day.is_alarm for day in days if not day.strength and day.version == days[0].version)


def days_to_detection(days: Sequence[Day]) -> int | None:
    """1 where the alarm came on the first day of the drift; None where it never came."""
    drifted = [day for day in days if day.strength]
    return next((place for place, day in enumerate(drifted, 1) if day.is_alarm), None)


def mean_accuracy(days: Sequence[Day], *, without: bool = False) -> float:
    """Over the days of drift that came after the first promotion; NaN where there was none."""
    later = [day for day in days if day.strength and day.version != days[0].version]
    return float(np.mean([day.without if without else day.accuracy for day in later])) if later else np.nan


def _accuracy(model: Model, arrived: LabelledImages) -> float:
    return float((model.answer(arrived.images) == arrived.labels).mean())
