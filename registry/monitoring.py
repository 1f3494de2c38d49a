"""What was looked at and what it started, and when: two files of lines of JSON, the newest rows of each.

monitoring/MODEL/looks.jsonl           every look, with what was decided
monitoring/MODEL/retrainings.jsonl     every retraining that drift, reviews or a person started
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from registry.drift_look import Look
from registry.reviews import count_since
from registry.versions import last_registered
from registry.workspace import Workspace
from vision.bundle import write_atomically
from vision.errors import TrainingRuns
from vision.file_lock import exclusive
from vision.operation_config import RetrainConfig
from vision.retraining import RetrainingDecision, Trigger, decide_retraining

logger = logging.getLogger(__name__)

KEPT_ROWS = 2_000  # a look every hour for twelve weeks
R = TypeVar("R", bound=BaseModel)


class RecordedLook(BaseModel):
    """A look without its report, and the decision that it led to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    look: Look
    decision: RetrainingDecision


class Retraining(BaseModel):
    """A retraining that began; `trigger` is None where a person asked for it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    when: AwareDatetime
    reason: str
    trigger: Trigger | None = None


def record_look(workspace: Workspace, look: Look, decision: RetrainingDecision) -> None:
    row = RecordedLook(look=look.model_copy(update={"report": None}), decision=decision)
    _append(_folder(workspace, look.model) / "looks.jsonl", row)


def read_looks(workspace: Workspace, model: str) -> tuple[RecordedLook, ...]:
    """The newest KEPT_ROWS at most, in the order in which they were recorded."""
    return tuple(_read(_folder(workspace, model) / "looks.jsonl", RecordedLook))


def record_retraining(workspace: Workspace, model: str, retraining: Retraining) -> None:
    _append(_folder(workspace, model) / "retrainings.jsonl", retraining)


def read_retrainings(workspace: Workspace, model: str) -> tuple[Retraining, ...]:
    """Likewise."""
    return tuple(_read(_folder(workspace, model) / "retrainings.jsonl", Retraining))


def retraining_due(
    workspace: Workspace, look: Look, config: RetrainConfig, *, now: datetime
) -> RetrainingDecision:
    """Whether the look, or what was reviewed since the last training, calls for one."""
    trained = last_registered(workspace, look.model)
    starts = [row.when for row in read_retrainings(workspace, look.model) if row.trigger]
    return decide_retraining(
        config,
        drift=look.reasons if look.is_drift else (),
        reviews=count_since(workspace, look.model, trained) if trained else 0,
        last_start=starts[-1] if starts else None,
        now=now,
    )


@contextmanager
def training_lock(workspace: Workspace) -> Iterator[None]:
    """The schedule's lock of what trains; TrainingRuns where somebody has it. It ends with its process."""
    try:
        with exclusive(workspace.schedule / "training.lock", wait=False):
            yield
    except BlockingIOError as holder:
        raise TrainingRuns(f"a training is running ({holder}): wait for its end, or stop it") from None


def _folder(workspace: Workspace, model: str) -> Path:
    return workspace.root / "monitoring" / model


def _append(path: Path, row: BaseModel) -> None:
    """The file anew with the row at its end: whole or not at all, also where another appends."""
    with exclusive(path.with_suffix(".lock")):
        kept = [*_lines(path), row.model_dump_json()][-KEPT_ROWS:]
        write_atomically(path, "".join(f"{line}\n" for line in kept))


def _read(path: Path, kind: type[R]) -> Iterator[R]:
    for number, line in enumerate(_lines(path), start=1):
        try:
            yield kind.model_validate_json(line)
        except ValidationError as error:  # edited by hand: the other rows are as good as before
            logger.warning("%s, line %d is passed over: %d mistakes in it", path, number, error.error_count())


def _lines(path: Path) -> list[str]:
    # Not by splitlines, which also parts a line at characters that a class name may have.
    return path.read_text(errors="replace").split("\n")[:-1] if path.exists() else []
