"""The training pipeline, run as a user runs it, four times in one project, and then the gate alone.

From nothing; after an image was written again with the same bytes and a limit of the gate moved; after an
image changed; and after a rollback, with nothing changed. Each fixture makes its run once and remembers what
then was.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from registry.champion import find_champion, history
from registry.model_version import ModelVersion
from registry.run_files import read_run_file
from registry.versions import list_versions
from tests.pipelines.conftest import (
    CLASSES,
    EPOCHS,
    MODEL,
    UNCACHED,
    Project,
    Run,
    write_image,
    write_project,
)

pytestmark = pytest.mark.timeout(600)  # whichever test comes first waits for the runs


@dataclass(frozen=True)
class Outcome:
    """A run, and what the registry held after it."""

    project: Project
    run: Run
    versions: tuple[ModelVersion, ...]
    champion: int | None


def train(project: Project, source: str = "training") -> Outcome:
    run = project.run(source)
    assert run.status == 0, run.log
    champion = find_champion(project.workspace, MODEL)
    versions = list_versions(project.workspace, MODEL)
    return Outcome(project, run, versions, champion.version if champion else None)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return train(write_project(tmp_path_factory.mktemp("project")))


@pytest.fixture(scope="module")
def written_again(first: Outcome) -> Outcome:
    image = first.project.images / "red" / "00.png"
    shutil.copy(image, image.with_suffix(".copy"))
    image.with_suffix(".copy").replace(image)
    config = first.project.config
    config.write_text(config.read_text().replace("min_accuracy: 0.3", "min_accuracy: 0.31"))
    return train(first.project, "pipelines.training.training")


@pytest.fixture(scope="module")
def changed(written_again: Outcome) -> Outcome:
    project = written_again.project
    write_image(project.images / "red" / "00.png", CLASSES["red"], seed=999)
    return train(project)


@pytest.fixture(scope="module")
def rolled_back(changed: Outcome) -> Outcome:
    moved = changed.project.sightline("rollback", "--reason", "it looks worse")
    assert moved["version"] == 1
    return train(changed.project)


@pytest.fixture(scope="module")
def judged(rolled_back: Outcome) -> Outcome:
    return train(rolled_back.project, "pipelines.promotion.promotion")


@pytest.fixture(scope="module")
def status(first: Outcome) -> Any:
    """`sightline status`; its figures are those of whichever version is champion by now."""
    return first.project.sightline("status")


def test_first_run_executes_every_step(first: Outcome) -> None:
    assert not first.run.cached
    assert first.run.executed >= UNCACHED | {"ingest", "prepare", "train", "evaluate_servable"}
    assert (len(first.versions), first.champion) == (1, 1)


def test_champion_has_metrics_with_intervals(status: Any) -> None:
    assert {"accuracy", "macro_f1", "ece", "roc_auc"} <= set(status["metrics"])
    for metric in status["metrics"].values():
        assert metric["low"] <= metric["value"] <= metric["high"]
    assert status["metrics"]["accuracy"]["value"] > 0.5  # a guess is right in a third


def test_champion_has_its_files(status: Any, first: Outcome) -> None:
    bundle, report = Path(status["bundle"]), Path(status["report"])
    assert bundle.is_relative_to(first.project.workspace.registry)
    assert (bundle / "bundle.json").is_file()
    assert "<html" in report.read_text()
    assert "<html" in (first.project.workspace.reports / MODEL / "data.html").read_text()


def test_champion_has_a_bento(status: Any, first: Outcome) -> None:
    assert status["bento_tag"] == f"sightline-{MODEL}:{status['version']}"
    assert status["bento_tag"] in first.project.bentos()


def test_run_is_tracked(first: Outcome) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(first.project.workspace.database)
    run = client.get_run(first.versions[0].lineage.run_id)
    curve = client.get_metric_history(run.info.run_id, "val_loss")
    files = {file.path for file in client.list_artifacts(run.info.run_id)}

    assert run.info.status == "FINISHED"
    assert sorted(point.step for point in curve) == list(range(EPOCHS))
    assert (run.data.params["model.name"], run.data.params["train.epochs"]) == ("residual", str(EPOCHS))
    assert "config.json" in files
    assert sum(name.startswith("report-") for name in files) == 2  # before compression and after


def test_image_with_the_same_bytes_is_read_again_and_no_more(written_again: Outcome) -> None:
    assert written_again.run.executed == {"ingest"} | UNCACHED
    assert "train" in written_again.run.cached
    assert len(written_again.versions) == 1


def test_the_config_of_a_version_is_that_of_its_training(written_again: Outcome) -> None:
    (version,), workspace = written_again.versions, written_again.project.workspace
    text = read_run_file(workspace, str(version.lineage.run_id), "config.json")
    assert json.loads(text)["promote"]["min_accuracy"] == 0.3
    assert sha256(text.encode()).hexdigest() == version.lineage.config_digest


def test_changed_image_makes_a_version(changed: Outcome) -> None:
    one, two = changed.versions
    assert {"ingest", "prepare", "train"} <= changed.run.executed
    assert (two.version, two.lineage.parent, changed.champion) == (2, 1, 2)
    assert one.lineage.data_revision != two.lineage.data_revision


def test_unchanged_run_takes_all_from_the_cache(rolled_back: Outcome) -> None:
    assert rolled_back.run.executed == UNCACHED
    assert rolled_back.run.cached >= {"ingest", "validate", "prepare", "train", "evaluate_servable"}
    assert len(rolled_back.versions) == 2
    assert rolled_back.run.seconds < 30  # ten on two cores, most of them imports


def test_unchanged_run_does_not_undo_a_rollback(rolled_back: Outcome) -> None:
    assert rolled_back.champion == 1
    rows = history(rolled_back.project.workspace, MODEL)
    assert [(row.action, row.version) for row in rows[:3]] == [
        ("promote", 1),
        ("promote", 2),
        ("rollback", 1),
    ]


def test_the_gate_alone_judges_the_newest_version_that_is_no_champion(judged: Outcome) -> None:
    assert judged.run.cached == {"ingest", "inspect", "validate", "split"}
    assert judged.run.executed == {"choose_candidate", "judge", "build_bento", "try_bento", "promote"}
    assert "version 2 was rolled back by" in judged.run.log  # and so is not promoted again by itself
    assert (len(judged.versions), judged.champion) == (2, 1)
