"""kill -9 in the middle of a step, then the same command again: it completes, and nothing is half written.

One project dies in one step after the other, each run going on where the last one left off, until a run
completes: five runs, and each death is followed by a process that has to make it good.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from registry.bundles import load_bundle
from registry.champion import find_champion, history
from registry.pointer import pointer_path, read_pointer
from registry.versions import champion_alias, list_versions
from tests.pipelines.conftest import MODEL, UNCACHED, Project, Run, write_project
from vision.prepared import PreparedImages

# Whichever test comes first waits for the runs, more than a minute.
pytestmark = [pytest.mark.timeout(600), pytest.mark.slow]

HOOK = Path(__file__).parent / "kill_hook"
# Where each step dies: `module:attribute:count` is the count-th call.
DEATHS = {
    "ingest": "vision.preprocessing:Preprocessing.decode:30",  # of 72 images
    "train": "steps.tracking:TrackedRun.log_metrics:2",  # after two epochs, one of them logged
    "register": "registry.bundles:seal:1",  # the bundle's files written, their hashes not
    "promote": "registry.champion:follow:1",  # the ledger's row written, pointer and alias not
}


@dataclass(frozen=True)
class Survivor:
    """The project after every death and a whole run; `harm` says which deaths left something half done."""

    project: Project
    last: Run
    harm: dict[str, bool]


@pytest.fixture(scope="module")
def survivor(tmp_path_factory: pytest.TempPathFactory) -> Survivor:
    project = write_project(tmp_path_factory.mktemp("killed"))
    harm = {step: die(project, step) for step in DEATHS}
    return Survivor(project, project.run(), harm)


def die(project: Project, step: str) -> bool:
    """True where the death left something half done."""
    path = f"{HOOK}{os.pathsep}{project.checkout}"
    run = project.run(PYTHONPATH=path, SIGHTLINE_TEST_KILL=DEATHS[step])
    assert run.status == -signal.SIGKILL, run.log
    assert f"Step `{step}` has started" in run.log
    assert step not in run.executed
    return HARM[step](project)


def has_unfinished_shard(project: Project) -> bool:
    return any(project.workspace.prepared.glob("*/*.tmp"))


def has_open_run(project: Project) -> bool:
    return "RUNNING" in run_states(project)


def has_unfinished_bundle(project: Project) -> bool:
    return any((project.workspace.registry / MODEL / "incoming").glob("*"))


def has_champion_without_pointer(project: Project) -> bool:
    workspace = project.workspace
    return find_champion(workspace, MODEL) is not None and not pointer_path(workspace, MODEL).exists()


HARM: dict[str, Callable[[Project], bool]] = {
    "ingest": has_unfinished_shard,
    "train": has_open_run,
    "register": has_unfinished_bundle,
    "promote": has_champion_without_pointer,
}


def run_states(project: Project) -> list[str]:
    """Of every run that MLflow knows."""
    from mlflow import MlflowClient

    client = MlflowClient(project.workspace.database)
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    return [run.info.status for run in client.search_runs(experiments)]


def test_every_death_came_in_the_middle(survivor: Survivor) -> None:
    assert survivor.harm == dict.fromkeys(DEATHS, True)


def test_last_run_completes_from_where_the_dead_left_off(survivor: Survivor) -> None:
    assert survivor.last.status == 0, survivor.last.log
    assert survivor.last.executed == UNCACHED


def test_nothing_half_done_is_left(survivor: Survivor) -> None:
    assert {step: check(survivor.project) for step, check in HARM.items()} == dict.fromkeys(HARM, False)


def test_prepared_images_are_whole(survivor: Survivor) -> None:
    """What was trained on, and the test images alone, which the gate shows to champion and candidate."""
    folders = (survivor.project.workspace.prepared / "sets").iterdir()
    counts = [
        {split: len(prepared.images(split)) for split in ("train", "validation", "test")}
        for prepared in map(PreparedImages.open, folders)
    ]
    of_the_gate, trained_on = sorted(counts, key=lambda count: count["train"])
    assert sum(trained_on.values()) == 72
    assert of_the_gate == {"train": 0, "validation": 0, "test": trained_on["test"]}


def test_one_training_was_killed_and_one_finished(survivor: Survivor) -> None:
    assert sorted(run_states(survivor.project)) == ["FINISHED", "KILLED"]


def test_one_version_whose_bundle_opens(survivor: Survivor) -> None:
    (version,) = list_versions(survivor.project.workspace, MODEL)
    load_bundle(version.bundle)
    folder = version.bundle.parent
    assert [path.name for path in folder.iterdir()] == ["1"]


def test_ledger_pointer_and_alias_agree(survivor: Survivor) -> None:
    workspace = survivor.project.workspace
    promotions = [row.version for row in history(workspace, MODEL) if row.action == "promote"]
    assert promotions == [1]
    assert read_pointer(workspace, MODEL).version == 1
    assert champion_alias(workspace, MODEL) == 1


def test_one_bento_that_opens(survivor: Survivor) -> None:
    home = survivor.project.workspace.bentoml
    assert survivor.project.bentos() == [f"sightline-{MODEL}:1"]
    assert not list(home.glob(".building-*"))
    load_bundle(next(home.glob("bentos/*/1/src/**/bundle.json")).parent)
