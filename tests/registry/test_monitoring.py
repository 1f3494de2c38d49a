"""What was looked at and what it started: whole rows, the newest of them, and one training at a time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from registry import monitoring
from registry.drift_look import Look, Verdict
from registry.monitoring import (
    Retraining,
    read_looks,
    read_retrainings,
    record_look,
    record_retraining,
    retraining_due,
    training_lock,
)
from registry.workspace import Workspace
from vision.errors import TrainingRuns
from vision.operation_config import RetrainConfig
from vision.retraining import RetrainingDecision

NOW = datetime(2026, 11, 5, 12, tzinfo=UTC)
NONE = RetrainingDecision(reason="no drift")


@pytest.fixture
def home(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


def make_look(reason: str = "nothing", verdict: Verdict = "no drift") -> Look:
    return Look(
        model="colours", version=1, digest="d", since=NOW, until=NOW, verdict=verdict, reasons=(reason,)
    )


def start(hour: float = 0, **changes: str) -> Retraining:
    return Retraining(when=NOW + timedelta(hours=hour), reason="drift", **changes)  # type: ignore[arg-type]


def test_what_is_recorded_is_read_back_in_order(home: Workspace) -> None:
    looks = [make_look(f"Käse\u2028ミルク {number}") for number in range(3)]
    for look in looks:
        record_look(home, look, NONE)

    assert [row.look for row in read_looks(home, "colours")] == looks
    assert read_looks(home, "other") == ()


def test_the_newest_rows_are_kept(home: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitoring, "KEPT_ROWS", 3)
    for hour in range(5):
        record_retraining(home, "colours", start(hour))

    assert [row.when.hour for row in read_retrainings(home, "colours")] == [14, 15, 16]


def test_rows_that_come_at_once_are_all_there(home: Workspace) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: record_look(home, make_look(str(number)), NONE), range(40)))

    found = {row.look.reasons for row in read_looks(home, "colours")}
    assert found == {(str(number),) for number in range(40)}


def test_a_damaged_row_is_passed_over_and_named(home: Workspace, caplog: pytest.LogCaptureFixture) -> None:
    record_retraining(home, "colours", start(0))
    [path] = home.root.rglob("retrainings.jsonl")
    path.write_bytes(path.read_bytes() + b'{"when": "yesterday\xff"}\n')
    record_retraining(home, "colours", start(1))

    assert [row.when.hour for row in read_retrainings(home, "colours")] == [12, 13]
    assert "retrainings.jsonl, line 2 is passed over" in caplog.text


def test_one_training_at_a_time(home: Workspace) -> None:
    said = r"a training is running \(process \d+ on .*wait for its end"
    with training_lock(home), pytest.raises(TrainingRuns, match=said), training_lock(home):
        pass
    with training_lock(home):
        pass


@pytest.fixture
def reviewed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Registered at noon; 100 images were reviewed after it."""
    monkeypatch.setattr(monitoring, "last_registered", lambda *_: NOW)
    monkeypatch.setattr(monitoring, "count_since", lambda *asked: 100 if asked[-1] == NOW else 0)


@pytest.mark.usefixtures("reviewed")
def test_reviews_since_the_last_training_make_one_due(home: Workspace) -> None:
    assert retraining_due(home, make_look(), RetrainConfig(), now=NOW).trigger == "reviews"
    assert retraining_due(home, make_look(verdict="drift"), RetrainConfig(), now=NOW).trigger == "drift"


@pytest.mark.usefixtures("reviewed")
def test_only_what_was_started_so_keeps_the_next_one_off(home: Workspace) -> None:
    record_retraining(home, "colours", start(-1))  # by hand
    assert retraining_due(home, make_look(), RetrainConfig(), now=NOW).trigger == "reviews"

    record_retraining(home, "colours", start(-1, trigger="drift"))
    assert retraining_due(home, make_look(), RetrainConfig(), now=NOW).trigger is None


def test_a_model_that_was_never_trained_has_no_reviews_to_learn_from(
    home: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitoring, "last_registered", lambda *_: None)

    assert retraining_due(home, make_look(), RetrainConfig(), now=NOW).trigger is None
