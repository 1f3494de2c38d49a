"""The search: it is resumed, it starts from the user's own values, it prunes."""

import numpy as np
import optuna
import pytest

from vision.augmentation_policy import AugmentationPolicy
from vision.config import ModelConfig, TrainConfig, TuneConfig
from vision.prepared import LabelledImages
from vision.tuning import SPACE, tune_training
from vision.tuning_parameters import BestParameters

OFF = AugmentationPolicy(rotation_degrees=0, horizontal_flip=False, zoom=0, shift=0, brightness=0)
BASE = TrainConfig(batch_size=16, learning_rate=0.005, label_smoothing=0.05, weight_decay=1e-4)
STUDY = "colours"


def colours(count, seed):
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, count)
    images = random.integers(0, 120, (count, 8, 8, 3), dtype=np.uint8)
    images[np.arange(count), :, :, labels] += 100
    return LabelledImages(images, labels)


def tune(trials, storage, log):
    return tune_training(
        colours(48, 0),
        colours(16, 1),
        num_classes=2,
        policy=OFF,
        model=ModelConfig(name="residual", options={"filters": 4, "stages": 1}),
        base=BASE,
        tune=TuneConfig(trials=trials, epochs=2),
        seed=1,
        study_name=STUDY,
        storage=storage,
        on_trial=lambda number, values, curve: log.append((number, values, curve)),
    )


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """One trial, then the same search with a budget of three."""
    storage, log = f"sqlite:///{tmp_path_factory.mktemp('study') / 'optuna.db'}", []
    first = tune(1, storage, log)
    resumed = tune(3, storage, log)
    return storage, log, first, resumed


def test_tune_training_begins_with_the_users_own_values(searched):
    _, log, first, _ = searched
    assert log[0][1] == pytest.approx({name: getattr(BASE, name) for name in SPACE})
    assert first.trials == 1


def test_tune_training_goes_on_where_it_stopped(searched):
    storage, log, _, resumed = searched
    assert [number for number, _, _ in log] == [0, 1, 2]
    assert resumed.trials == 3
    assert len(optuna.load_study(study_name=STUDY, storage=storage).trials) == 3


def test_tune_training_reports_the_best_trial(searched):
    _, log, _, resumed = searched
    best = max(max(curve) for _, _, curve in log)
    assert resumed.validation_accuracy == pytest.approx(best)
    assert set(resumed.values) == set(SPACE)


def test_a_killed_trial_is_tried_again_first(tmp_path):
    storage, log = f"sqlite:///{tmp_path / 'optuna.db'}", []
    killed = optuna.create_study(study_name=STUDY, storage=storage, direction="maximize").ask(SPACE)
    tune(1, storage, log)
    states = [trial.state.name for trial in optuna.load_study(study_name=STUDY, storage=storage).trials]
    assert states == ["FAIL", "COMPLETE"]
    assert log[0][1] == pytest.approx(killed.params)


def test_a_finished_search_trains_nothing(searched):
    storage, log, _, resumed = searched
    before = len(log)
    assert tune(3, storage, log) == resumed
    assert len(log) == before


def test_best_parameters_replace_the_values_of_the_configuration():
    applied = BestParameters(values={"learning_rate": 0.002}).apply(BASE)
    assert applied.learning_rate == 0.002
    assert applied.label_smoothing == BASE.label_smoothing
    assert BestParameters().apply(BASE) == BASE
