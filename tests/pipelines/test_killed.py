"""kill -9 in the middle of a step, then the same command again: it completes, and nothing is half written.

One project dies in one step after the other, each run going on where the last one left off, until a run
completes: five runs, and each step is reached by a process that follows a killed one.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from registry.bundles import load_bundle
from registry.champion import champion, history
from registry.pointer import read_pointer
from registry.versions import champion_alias, list_versions
from tests.pipelines.conftest import MODEL, UNCACHED, Project, Run, write_project

pytestmark = pytest.mark.timeout(600)  # whichever test comes first waits for the runs

HOOK = Path(__file__).parent / "kill_hook"
# Where each step dies: `module:attribute:count` is the count-th call.
DEATHS = {
    "prepare": "vision.preprocessing:Preprocessing.apply:30",  # of 72 images
    "train": "steps.tracking:TrackedRun.log_metrics:2",  # after two epochs, one of them logged
    "register": "registry.bundles:seal:1",  # all files of the bundle written, no hash yet
    "promote": "registry.champion:follow:1",  # the ledger's row written, no pointer and no alias yet
}


@dataclass(frozen=True)
class Survivor:
    """The project after all deaths and one whole run; `debris` is what each death left lying about."""

    project: Project
    last: Run
    debris: dict[str, bool]


@pytest.fixture(scope="module")
def survivor(tmp_path_factory: pytest.TempPathFactory) -> Survivor:
    project = write_project(tmp_path_factory.mktemp("killed"))
    debris = {step: die(project, step) for step in DEATHS}
    return Survivor(project, project.run(), debris)


def die(project: Project, step: str) -> bool:
    """True where the death in that step left something half written, which proves that it came in time."""
    run = project.run(PYTHONPATH=str(HOOK), SIGHTLINE_TEST_KILL=DEATHS[step])
    assert run.status == -signal.SIGKILL, run.log
    assert f"Step `{step}` has started" in run.log
    assert step not in run.executed
    return any(HALF_WRITTEN[step](project))


def unfinished_arrays(project: Project) -> Iterator[Path]:
    return project.workspace.prepared.glob(".*")


def unfinished_bundles(project: Project) -> Iterator[Path]:
    return (project.workspace.registry / MODEL / "incoming").glob("*")


def running_runs(project: Project) -> Iterator[str]:
    return (run.info.run_id for run in mlflow_runs(project) if run.info.status == "RUNNING")
