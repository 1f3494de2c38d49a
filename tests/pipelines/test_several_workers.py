"""`train.workers` in the run file is all that the pipeline needs to train on several workers."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry.champion import find_champion
from tests.pipelines.conftest import MODEL, write_project


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_pipeline_makes_a_champion_on_two_workers(tmp_path: Path) -> None:
    settings = {"epochs": 4, "batch_size": 8, "learning_rate": 0.05, "optimizer": "sgd", "schedule": "cosine"}
    project = write_project(tmp_path, train=settings | {"workers": 2})
    run = project.run(RAY_ADDRESS="")
    assert run.status == 0, run.log
    assert find_champion(project.workspace, MODEL) is not None
    pages = [page.read_text() for page in project.workspace.root.rglob("*.html")]
    assert any("2 x " in page for page in pages), "the report names the workers"
