"""Rows of the prediction log, as tests want them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from registry.pointer import ChampionPointer
from registry.prediction_files import grouped, part_of, write_file
from registry.prediction_rows import Answered, Feedback, Prediction
from registry.workspace import Workspace

NOON = int(datetime(2026, 11, 5, 12, tzinfo=UTC).timestamp() * 1000)
CLASS_NAMES = ("Milch", "Käse", "ミルク")


def make_answered(**changes: Any) -> Answered:
    pointer = ChampionPointer("grocery", 3, "d" * 64)
    answered = Answered(pointer, "champion", "multi_class", CLASS_NAMES, ("Käse",))
    return replace(answered, **changes)


def make_id(time: int, number: int = 0) -> str:
    """An id as new_prediction_id makes them, of that time."""
    return f"{time:012x}7000{0x8000000000000000 + number:016x}"


def make_prediction(time: int = NOON, number: int = 0, **changes: Any) -> Prediction:
    row = Prediction(
        id=make_id(time, number),
        time=time,
        answered=make_answered(),
        sha256="a" * 64,
        probabilities=np.array([0.1, 0.7, 0.2], np.float32),
        energy=-3.5,
        unusual=False,
        abstain=True,
        prediction_set=("Käse", "ミルク"),
        cached=False,
        decode_seconds=0.25,
        infer_seconds=0.5,
    )
    return replace(row, **changes)


def make_feedback(time: int, labels: Sequence[str], *, of: Prediction, comment: str = "") -> Feedback:
    return Feedback(of.id, time, of.answered, tuple(labels), comment)


def write(workspace: Workspace, *rows: Prediction | Feedback) -> None:
    for number, group in enumerate(grouped(rows)):
        write_file(workspace, [part_of(group)], number)
