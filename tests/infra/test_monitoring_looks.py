"""Looks as metrics: the last of each model, and nothing that is not known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from infra.monitoring.looks import Looks, main
from registry.drift_look import Look
from registry.monitoring import Retraining, record_look, record_retraining
from registry.workspace import Workspace
from vision.retraining import RetrainingDecision

NOW = datetime(2026, 11, 5, 12, tzinfo=UTC)


@pytest.fixture
def home(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


def looked(home: Workspace, hours: int = 0, model: str = "m", **found: Any) -> None:
    until = NOW + timedelta(hours=hours)
    values = {"version": 1, "digest": "d", "verdict": "no drift"} | found
    look = Look(model=model, since=NOW, until=until, reasons=("",), **values)
    record_look(home, look, RetrainingDecision(reason=""))


def metrics(home: Workspace) -> dict[str, float]:
    """Values by name and labels' values."""
    registry = CollectorRegistry()
    registry.register(Looks(home))
    samples = [sample for family in registry.collect() for sample in family.samples]
    return {" ".join((sample.name, *sample.labels.values())): sample.value for sample in samples}


def test_the_last_look_counts(home: Workspace) -> None:
    looked(home, hours=0, verdict="drift", version=1)
    looked(home, hours=2, verdict="no drift", version=2, answers=30, images=4)

    assert metrics(home) == {
        "sightline_look_timestamp_seconds m": NOW.timestamp() + 2 * 3600,
        "sightline_look_judged m 2": 1,
        "sightline_look_drift m 2": 0,
        "sightline_look_answers m 2": 30,
        "sightline_look_images m 2": 4,
    }


def test_drift_is_told_of_its_own_model(home: Workspace) -> None:
    looked(home, model="m", verdict="drift")
    looked(home, model="n", verdict="no drift")
    seen = metrics(home)
    assert (seen["sightline_look_drift m 1"], seen["sightline_look_drift n 1"]) == (1, 0)


def test_a_look_that_could_not_judge_says_nothing_of_drift(home: Workspace) -> None:
    looked(home, verdict="not judged", version=None, digest="")
    seen = metrics(home)
    assert seen["sightline_look_judged m 0"] == 0
    assert "sightline_look_timestamp_seconds m" in seen
    assert not any("drift" in name for name in seen)


def test_the_last_retraining_is_told(home: Workspace) -> None:
    for hour in (1, 5):
        record_retraining(home, "m", Retraining(when=NOW + timedelta(hours=hour), reason=""))
    assert metrics(home) == {"sightline_retraining_timestamp_seconds m": NOW.timestamp() + 5 * 3600}


def test_nothing_is_told_of_an_empty_workspace(home: Workspace) -> None:
    assert metrics(home) == {}


def test_textfile_is_what_prometheus_reads(home: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    looked(home, verdict="drift")
    monkeypatch.setenv("SIGHTLINE_HOME", str(home.root))
    main(["--textfile", str(home.root / "looks.prom")])

    families = text_string_to_metric_families((home.root / "looks.prom").read_text())
    samples = {sample.name: sample.value for family in families for sample in family.samples}
    assert samples["sightline_look_drift"] == 1
