"""What a finished folder holds, counted part by part."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from vision.batch.output import OWN, OutputFolder
from vision.batch.plan import BatchModel, Plan
from vision.manifest import SEPARATOR

SUMMARY = f"{OWN}/summary.json"
COLUMNS = ("path", "class", "confidence", "unusual", "abstain", "error")
BINS = 20
EXAMPLES = 50
KINDS = 200  # of reasons that are counted apart; a file's own text may make any number


class Part(BaseModel):
    """Values that never change."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Run(Part):
    """The run that finished the folder: the images that it predicted itself, and how long that took."""

    engine: str
    images: int
    seconds: float

    @property
    def images_per_second(self) -> float:
        return self.images / self.seconds if self.seconds else 0.0


class Unreadable(Part):
    """A file that has no answer."""

    path: str
    reason: str


class BatchSummary(Part):
    """Counts of rows. `unusual` and `abstained` are None where the model has no rule for it.

    `classes` counts answers that name each class; `confidence` has 20 bins from 0 to 1. In `reasons` every
    number is written N, so that files with one fault are counted together; `examples` has the first 50 files.
    """

    output: str
    model: BatchModel
    images: int
    answered: int
    unreadable: int
    unusual: int | None
    abstained: int | None
    classes: dict[str, int]
    confidence: tuple[int, ...]
    reasons: dict[str, int]
    examples: tuple[Unreadable, ...]
    last_run: Run


@dataclass
class _Counts:
    """Grows part by part; its size does not depend on the number of images."""

    rows: int = 0
    classes: Counter[str] = field(default_factory=Counter)
    confidence: Any = field(default_factory=lambda: np.zeros(BINS, np.int64))
    flags: dict[str, list[int]] = field(default_factory=lambda: {"unusual": [0, 0], "abstain": [0, 0]})
    reasons: Counter[str] = field(default_factory=Counter)
    examples: list[Unreadable] = field(default_factory=list)

    def add(self, columns: dict[str, list[Any]]) -> None:
        self.rows += len(columns["path"])
        for named in columns["class"]:
            self.classes.update(named.split(SEPARATOR) if named else ())
        sure = np.array([value for value in columns["confidence"] if value is not None], np.float64)
        self.confidence += np.histogram(sure, BINS, (0, 1))[0]
        for name, (known, true) in self.flags.items():
            values = [value for value in columns[name] if value is not None]
            self.flags[name] = [known + len(values), true + sum(values)]
        for path, error in zip(columns["path"], columns["error"], strict=True):
            if error is not None:
                self._failed(path, error)

    def _failed(self, path: str, error: str) -> None:
        kind = re.sub(r"\d+", "N", error)
        self.reasons[kind if kind in self.reasons or len(self.reasons) < KINDS else "other reasons"] += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append(Unreadable(path=path, reason=error))

    def true(self, name: str) -> int | None:
        known, true = self.flags[name]
        return true if known else None


def summarise(plan: Plan, run: Run) -> BatchSummary:
    """Reads every part, a few columns of it."""
    counts = _Counts()
    for columns in _columns(plan):
        counts.add(columns)
    unreadable = counts.reasons.total()
    return BatchSummary(
        output=plan.output,
        model=plan.model,
        images=counts.rows,
        answered=counts.rows - unreadable,
        unreadable=unreadable,
        unusual=counts.true("unusual"),
        abstained=counts.true("abstain"),
        classes=dict(counts.classes.most_common()),
        confidence=tuple(counts.confidence.tolist()),
        reasons=dict(counts.reasons.most_common()),
        examples=tuple(counts.examples),
        last_run=run,
    )


def read_summary(folder: OutputFolder) -> BatchSummary | None:
    """The one that a run has written; None where none finished."""
    if SUMMARY.rpartition("/")[2] not in folder.names(OWN):
        return None
    return BatchSummary.model_validate_json(folder.read(SUMMARY))


def _columns(plan: Plan) -> Iterator[dict[str, list[Any]]]:
    from pyarrow.parquet import ParquetFile

    for part in range(plan.parts):
        with plan.folder.open(plan.part_name(part)) as file:
            yield ParquetFile(file).read(columns=list(COLUMNS)).to_pydict()
