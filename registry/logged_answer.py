"""One answer of the prediction log, with the last that was said of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from registry.pointer import ChampionPointer
from registry.prediction_files import predictions_folder
from registry.predictions import TOLERANCE, find_prediction, read_predictions
from registry.workspace import Workspace
from vision.errors import RegistryError


@dataclass(frozen=True)
class LoggedFeedback:
    """The last word of a user on an answer: the classes that the image has."""

    labels: tuple[str, ...]
    comment: str
    right: bool


@dataclass(frozen=True)
class LoggedAnswer:
    """What was answered, and by whom; `sha256` is of the encoded image, `confidence` 0..1."""

    id: str
    time: datetime
    pointer: ChampionPointer
    arm: str
    names: tuple[str, ...]
    confidence: float
    sha256: str
    feedback: LoggedFeedback | None


def find_answer(workspace: Workspace, prediction_id: str) -> LoggedAnswer:
    """The answer of that id; RegistryError where it is no id, or the log has none of it."""
    if not re.fullmatch("[0-9a-f]{32}", prediction_id):
        raise RegistryError(
            f'"{prediction_id[:100]}" is no prediction id: 32 of 0-9 and a-f, as answers have'
        )
    found = find_prediction(workspace, prediction_id)
    row = _find_row(workspace, found.pointer.model, prediction_id) if found else None
    if found is None or row is None:
        raise RegistryError(
            f"no prediction {prediction_id} is in the log {predictions_folder(workspace)}: answers are there"
            " after 30 s, until SIGHTLINE_LOG_MEGABYTES are full; give the id of one of them"
        )
    return _logged_answer(row, found.pointer)


def _find_row(workspace: Workspace, model: str, prediction_id: str) -> Mapping[str, Any] | None:
    """The row with its feedback; None where the clock was set between the id and the row's own time."""
    moment = datetime.fromtimestamp(int(prediction_id[:12], 16) / 1000, UTC)
    around = timedelta(milliseconds=TOLERANCE)
    rows = read_predictions(workspace, model, since=moment - around, until=moment + around)
    return next((row for row in rows.to_pylist() if row["id"] == prediction_id), None)


def _logged_answer(row: Mapping[str, Any], pointer: ChampionPointer) -> LoggedAnswer:
    said = row["truth"]
    return LoggedAnswer(
        id=row["id"],
        time=row["time"],
        pointer=pointer,
        arm=row["arm"],
        names=tuple(row["names"]),
        confidence=row["confidence"],
        sha256=row["sha256"],
        feedback=None if said is None else LoggedFeedback(tuple(said), row["comment"], row["right"]),
    )
