"""The rows of the prediction log: answers, and what users say of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from registry.pointer import ChampionPointer
from vision.task import Task


@dataclass(frozen=True, slots=True)
class Answered:
    """What a prediction said, and of what: as much as feedback on it needs."""

    pointer: ChampionPointer
    arm: Literal["champion", "challenger", "shadow"]
    task: Task
    class_names: tuple[str, ...]
    names: tuple[str, ...]  # the class, or the labels present

    def is_right(self, truth: Sequence[str]) -> bool:
        """Whether it said these classes, all of them and no other."""
        return set(self.names) == set(truth)


@dataclass(frozen=True, slots=True)
class Prediction:
    """A row of the log. `time` is in milliseconds since 1970, UTC; `sha256` is of the encoded image."""

    id: str
    time: int
    answered: Answered
    sha256: str
    probabilities: NDArray[np.float32]  # (K,), in the order of answered.class_names
    energy: float
    unusual: bool
    abstain: bool
    prediction_set: tuple[str, ...]
    cached: bool
    decode_seconds: float
    infer_seconds: float

    @property
    def confidence(self) -> float:
        return float(self.probabilities.max())


@dataclass(frozen=True, slots=True)
class Feedback:
    """The classes that a user says an image has. Of two rows about one id the later counts.

    `key` is the name of the user's API key, "" where the service asks for none.
    """

    id: str
    time: int
    answered: Answered
    labels: tuple[str, ...]
    comment: str = ""
    key: str = ""


# column -> its type in arrow_columns.py, and the attribute of a row that it holds. The model is no column: as
# readers of parquet folders expect, its folder has its name.
Columns = Mapping[str, tuple[str, str]]
_BOTH = {
    "id": ("text", "id"),
    "time": ("moment", "time"),
    "version": ("integer", "answered.pointer.version"),
    "digest": ("text", "answered.pointer.digest"),
    "arm": ("text", "answered.arm"),
}
PREDICTION_COLUMNS: Columns = _BOTH | {
    "sha256": ("text", "sha256"),
    "names": ("texts", "answered.names"),
    "probabilities": ("numbers", "probabilities"),
    "confidence": ("number", "confidence"),
    "energy": ("number", "energy"),
    "unusual": ("flag", "unusual"),
    "abstain": ("flag", "abstain"),
    "prediction_set": ("texts", "prediction_set"),
    "cached": ("flag", "cached"),
    "decode_seconds": ("number", "decode_seconds"),
    "infer_seconds": ("number", "infer_seconds"),
}
FEEDBACK_COLUMNS: Columns = _BOTH | {
    "labels": ("texts", "labels"),
    "comment": ("text", "comment"),
    "key": ("text", "key"),
}
# Columns of text that files of before they were thought of lack.
LATER_COLUMNS = frozenset({"key"})
