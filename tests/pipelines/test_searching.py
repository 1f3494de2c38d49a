"""`zenml pipeline run pipelines.searching.searching`: a host that helps with the search, and nothing else."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest

from registry.champion import find_champion
from tests.pipelines.conftest import MODEL, write_project

SEARCH = {"trials": 2, "epochs": 1, "pruner": "none", "space": {"train.learning_rate": [0.01, 0.02]}}
STEPS = {"ingest", "inspect", "validate", "split", "report_data", "prepare", "augment", "tune"}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_helping_host_searches_what_the_training_would(tmp_path: Path) -> None:
    project = write_project(tmp_path, tune=SEARCH)
    searched = project.run("pipelines.searching.searching")
    assert searched.status == 0, searched.log
    assert searched.executed == STEPS
    assert find_champion(project.workspace, MODEL) is None
    study = optuna.load_study(study_name=None, storage=project.workspace.studies)  # the only one
    assert len(study.trials) == 2

    trained = project.run()
    assert trained.status == 0, trained.log
    assert trained.cached >= STEPS  # the same images, split and search: nothing of it is done again
    assert len(optuna.get_all_study_names(project.workspace.studies)) == 1
