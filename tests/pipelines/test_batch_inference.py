"""`zenml pipeline run pipelines.batch_inference.batch_inference`, as a command."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tests.pipelines.conftest import MODEL, Project, write_project
from tests.serving.conftest import Registry
from tests.unit.batch.conftest import write_images

pytestmark = [pytest.mark.timeout(600), pytest.mark.slow]

PIPELINE = "pipelines.batch_inference.batch_inference"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Five photos, and a registry whose champion is version 1."""
    folder = tmp_path_factory.mktemp("batch")
    write_images(folder / "photos", 5)
    batch = {"paths": [str(folder / "photos")], "output": str(folder / "answers"), "part_images": 2}
    project = write_project(folder, batch=batch)
    Registry(project.workspace, model=MODEL).promote(1)
    return project


def test_pipeline_predicts_with_the_champion_and_runs_again(project: Project) -> None:
    first, second = project.run(PIPELINE), project.run(PIPELINE)
    assert (first.status, second.status) == (0, 0), first.log + second.log
    assert first.executed == second.executed == {"list_images", "predict_images"}
    rows = pd.read_parquet(project.folder / "answers")
    assert len(rows) == rows["path"].nunique() == 5
    assert set(rows["model"] + rows["version"].astype(str)) == {f"{MODEL}1"}
    assert (project.folder / "answers" / "_batch" / "summary.html").is_file()


def test_another_champion_does_not_go_on_in_that_folder(project: Project) -> None:
    registry = Registry(project.workspace, model=MODEL)
    registry.promote(2)
    run = project.run(PIPELINE)
    registry.point_to(1)
    assert run.status == 1
    assert "another model: received colours version 2" in run.log
    assert "Traceback" not in run.log


def test_pipeline_without_paths_says_so(project: Project, tmp_path: Path) -> None:
    other = Project(project.folder)
    text = other.config.read_text()
    try:
        other.config.write_text(text.replace(str(project.folder / "photos"), str(tmp_path / "none")))
        run = other.run(PIPELINE)
    finally:
        other.config.write_text(text)
    assert run.status == 1
    assert f'no image at "{tmp_path}/none"' in run.log
