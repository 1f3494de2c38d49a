"""Cross-validation in MLflow: a run for the whole, one below it for each fold; and its artifacts in ZenML."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from uuid import uuid4

import numpy as np
import pandas as pd
import pytest
from zenml.artifact_stores.local_artifact_store import LocalArtifactStore, LocalArtifactStoreConfig
from zenml.integrations.pandas.materializers import PandasMaterializer
from zenml.materializers import PydanticMaterializer

import steps.cross_validate
from registry.workspace import Workspace
from steps.tracking import Tracker
from vision.augmentation_policy import AugmentationPolicy
from vision.config import CrossValidateConfig
from vision.cross_validation import training as cross_validation_training
from vision.cross_validation.answers import OutOfFold, measure_all, to_table
from vision.cross_validation.scores import OptionalCrossValidation
from vision.cross_validation.training import FoldResult
from vision.manifest import Manifest
from vision.model_config import ModelConfig
from vision.training.backbone import Backbone
from vision.training.record import TrainingRecord
from vision.training_config import EnsembleConfig, TrainConfig
from vision.tuning_parameters import BestParameters

LABELS = np.array([0, 1] * 10)
NUMBER = np.repeat([1, 2], 10)
# All right in fold 1; in fold 2, image 19 is taken for a 0.
PROBABILITIES = np.eye(2, dtype=np.float32)[np.append(LABELS[:19], 0)] * 0.8 + 0.1
PATHS = tuple(f"{number}.png" for number in range(20))


def train_folds(prepared, manifest, plan, *, folds, checkpoint, workers, on_fold):
    """In the place of the trainings: answers that are known."""
    assert (plan.train.learning_rate, folds, checkpoint.parts[-2:]) == (0.5, 2, ("roses", "cross_validation"))
    assert workers == CrossValidateConfig(folds=2)
    for fold in (1, 2):
        history = {"loss": (1.0, 0.5 * fold)}
        record = TrainingRecord(
            architecture="fake", parameters=1, history=history, seconds=1, images_per_second=1
        )
        rows = fold == NUMBER
        on_fold(FoldResult(fold, PROBABILITIES[rows], record), measure_all(LABELS[rows], PROBABILITIES[rows]))
    return OutOfFold(PATHS, LABELS, NUMBER, PROBABILITIES, ("a", "b"))


def validate(folds):
    return steps.cross_validate.cross_validate.entrypoint(
        SimpleNamespace(revision="r1"),
        Manifest("data", pd.DataFrame()),
        AugmentationPolicy(),
        BestParameters(values={"train.learning_rate": 0.5}),
        Backbone(),
        ModelConfig(),
        TrainConfig(),
        EnsembleConfig(),
        CrossValidateConfig(folds=folds),
        seed=1,
        name="roses",
    )


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """One for all tests: MLflow takes seconds to make its database."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIGHTLINE_HOME", str(home))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.setattr(steps.cross_validate, "log_metadata", lambda metadata: None)  # of ZenML's runs
        patch.setattr(cross_validation_training, "train_folds", train_folds)
        yield Workspace(home)


@pytest.fixture(scope="module")
def outcome(workspace):
    return validate(2)


def test_folds_are_runs_below_that_of_the_whole(workspace, outcome):
    tracker = Tracker.open(workspace, "roses")
    runs = {run.info.run_name: run for run in tracker.client.search_runs([tracker.experiment_id])}
    whole = runs.pop("cross-validate residual")
    assert sorted(runs) == ["fold 1", "fold 2"]
    assert {run.data.tags["mlflow.parentRunId"] for run in runs.values()} == {whole.info.run_id}
    assert [runs[f"fold {fold}"].data.metrics["out_of_fold_accuracy"] for fold in (1, 2)] == [1.0, 0.9]
    curve = tracker.client.get_metric_history(runs["fold 2"].info.run_id, "loss")
    assert [point.value for point in curve] == [1.0, 1.0]
    assert whole.data.metrics["out_of_fold_accuracy"] == 0.95
    assert whole.data.metrics["fold_accuracy.mean"] == pytest.approx(0.95)
    assert whole.data.metrics["fold_accuracy.spread"] == pytest.approx(np.sqrt(2 * 0.05**2))
    assert whole.data.params["folds"] == "2" and whole.data.params["train.learning_rate"] == "0.5"


def test_answers_of_every_image_are_kept(outcome):
    result, table = outcome
    assert table["path"].tolist() == list(PATHS) and table["fold"].tolist() == NUMBER.tolist()
    assert np.array_equal(table[["probability a", "probability b"]], PROBABILITIES)
    assert result.result.label_issues == table["has_label_issue"].sum() == 1
    assert table["path"][table["has_label_issue"]].tolist() == ["19.png"]


def test_no_folds_are_no_cross_validation(workspace, tmp_path, monkeypatch):
    monkeypatch.setenv("SIGHTLINE_HOME", str(tmp_path / "none"))
    result, table = validate(0)
    assert result == OptionalCrossValidation() and result.result is None
    assert table.empty and not (tmp_path / "none").exists()


def there_and_back(materializer, data, folder):
    """As ZenML keeps an artifact, with what its dashboard shows of it."""
    store = LocalArtifactStore(
        name="store", id=uuid4(), config=LocalArtifactStoreConfig(path=str(folder)), flavor="local",
        type="artifact_store", user=None, created=datetime.now(UTC), updated=datetime.now(UTC),
    )  # fmt: skip
    made = materializer(str(folder), store)
    made.save(data)
    made.save_visualizations(data)
    made.extract_full_metadata(data)
    return made.load(type(data))


def test_zenml_carries_what_was_found(outcome, tmp_path):
    result, table = outcome
    assert there_and_back(PydanticMaterializer, result, tmp_path) == result
    pd.testing.assert_frame_equal(there_and_back(PandasMaterializer, table, tmp_path), table)


def test_zenml_carries_that_there_is_nothing(tmp_path):
    assert there_and_back(PydanticMaterializer, OptionalCrossValidation(), tmp_path).result is None
    assert there_and_back(PandasMaterializer, to_table(None), tmp_path).empty


def test_zenml_carries_a_thousand_classes(tmp_path):
    random = np.random.default_rng(0)
    labels = np.arange(3000) % 1000
    probabilities = random.dirichlet(np.full(1000, 0.1), 3000).astype(np.float32)
    names = tuple(f"class {place}" for place in range(1000))
    answers = OutOfFold(tuple(map(str, range(3000))), labels, np.arange(3000) % 2 + 1, probabilities, names)
    assert there_and_back(PandasMaterializer, to_table(answers), tmp_path).shape == (3000, 1005)
