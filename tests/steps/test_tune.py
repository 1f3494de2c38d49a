"""A search in MLflow: a run for it, one below it for each trial, which ends as the trial did."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import steps.tune
from registry.workspace import Workspace
from steps.tracking import Tracker
from vision import tuning
from vision.augmentation_policy import AugmentationPolicy
from vision.model_config import ModelConfig
from vision.prepared import LabelledImages
from vision.training_config import TrainConfig, TuneConfig
from vision.tuning_parameters import BestParameters
from vision.tuning_storage import VARIABLE
from vision.tuning_trial import Outcome

OUTCOMES = {
    1: Outcome([0.5, 0.75]),
    2: Outcome([0.25], is_pruned=True),
    4: Outcome([], failure="ValueError: too deep"),
}


def search(**settings):
    images = LabelledImages(np.zeros((4, 8, 8, 3), np.uint8), np.array([0, 1, 0, 1]))
    prepared = SimpleNamespace(labelled=lambda split: images, key="key", class_names=("a", "b"))
    space = {"train.batch_size": (1, 2, 4)}
    return steps.tune.tune.entrypoint(
        prepared,
        AugmentationPolicy(),
        ModelConfig(),
        TrainConfig(batch_size=1),
        TuneConfig(**{"trials": 3, "space": space, **settings}),
        seed=1,
        name="roses",
    )


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    monkeypatch.setenv("SIGHTLINE_HOME", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(steps.tune, "log_metadata", lambda metadata: None)  # of ZenML, inside a run only
    monkeypatch.setattr(
        tuning, "train_trial", lambda search, trial, values: OUTCOMES[values["train.batch_size"]]
    )
    return Workspace(tmp_path)


def runs_of(workspace):
    tracker = Tracker.open(workspace, "roses")
    return tracker.client.search_runs([tracker.experiment_id])


def test_trials_are_runs_below_that_of_the_search(workspace):
    best = search(trials=12)
    runs = runs_of(workspace)
    (parent,) = (run for run in runs if run.info.run_name == "tune")
    assert (best.score, best.values) == (0.75, {"train.batch_size": 1})
    assert parent.data.params == {"train.batch_size": "1"}
    trials = {run.data.params["train.batch_size"]: run for run in runs if run is not parent}
    assert {run.data.tags["mlflow.parentRunId"] for run in trials.values()} == {parent.info.run_id}
    ended = {size: (run.info.status, run.data.tags["sightline.trial"]) for size, run in trials.items()}
    assert ended == {"1": ("FINISHED", "complete"), "2": ("FINISHED", "pruned"), "4": ("FAILED", "fail")}
    assert trials["4"].data.tags["sightline.failure"] == "ValueError: too deep"
    assert trials["1"].data.metrics == {"val_accuracy": 0.75}


def test_search_that_is_given_more_trials_goes_on(workspace):
    search(trials=1)
    assert search(trials=3, processes=1, timeout_seconds=60).trials == 3
    names = sorted(run.info.run_name for run in runs_of(workspace))
    assert names == ["trial 0", "trial 1", "trial 2", "tune", "tune"]


def test_search_is_kept_where_the_environment_says(workspace, tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, f"sqlite:///{tmp_path}/elsewhere.db")
    assert search(trials=1).trials == 1
    assert (tmp_path / "elsewhere.db").exists() and not (tmp_path / "optuna.db").exists()


def test_no_trials_are_no_search(tmp_path, monkeypatch):
    monkeypatch.setenv("SIGHTLINE_HOME", str(tmp_path / "none"))
    assert search(trials=0) == BestParameters()
    assert not (tmp_path / "none").exists()
