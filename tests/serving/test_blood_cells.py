"""Several labels an image, from a table of real photos to answers over HTTP (BCCD, a few epochs).

How right the answers are after a whole training is measured by `python -m benchmarks bccd`.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tests.pipelines.conftest import Project, write_project
from tests.serving.conftest import Start
from vision.classifier import ImageClassifier

DATA = Path("../shared/data/bccd").resolve()
WEIGHTS = DATA.parent / "weights" / "mobilenetv2_0.35_224_imagenet_notop.weights.h5"
CELLS = {"Platelets", "RBC", "WBC"}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not (DATA.is_dir() and WEIGHTS.is_file()), reason=f"{DATA} or {WEIGHTS} is not there"),
]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """With a champion; of so short a training the gate asks little."""
    table = {"source": "table", "path": str(DATA / "labels.csv"), "columns": {"label": "labels"}}
    project = write_project(
        tmp_path_factory.mktemp("cells"),
        data=table | {"task": "multi_label"},
        prepare={"image_size": [96, 128]},
        model={"name": "mobilenet_v2", "weights": str(WEIGHTS), "options": {"alpha": 0.35}},
        train={"recipe": "fine_tune", "epochs": 4},
        promote={"min_accuracy": 0.0, "max_accuracy_drop": 100},
    )
    run = project.run()
    assert run.status == 0, run.log
    return project


def test_thresholds_are_the_labels_own_and_the_endpoint_follows_them(
    project: Project, start_service: Start
) -> None:
    classifier = ImageClassifier.load(Path(project.sightline("status")["bundle"]))
    assert set(classifier.class_names) == CELLS and len(set(classifier.thresholds)) > 1

    service = start_service(SIGHTLINE_HOME=project.workspace.root)
    service.wait_ready(60)
    for path in pd.read_csv(DATA / "labels.csv").query("split == 'test'")["path"]:
        data = (DATA / path).read_bytes()
        answer = service.classify(data).json()
        named = zip(classifier.class_names, classifier.classify(data), classifier.thresholds, strict=True)
        assert answer["task"] == "multi_label"
        assert set(answer["labels"]) == {name for name, value, limit in named if value >= limit}
