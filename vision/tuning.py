"""Search for training parameters by Optuna: kept in SQLite, resumable, hopeless trials pruned."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import optuna

from models import ARCHITECTURES
from vision.augmentation_policy import AugmentationPolicy
from vision.config import ModelConfig, TrainConfig, TuneConfig
from vision.prepared import LabelledImages
from vision.training.fit import fit_model
from vision.tuning_parameters import BestParameters

TrialLog = Callable[[int, dict[str, float], list[float]], None]


# The search space: fields of TrainConfig.
SPACE = {
    "learning_rate": optuna.distributions.FloatDistribution(3e-4, 1e-2, log=True),
    "label_smoothing": optuna.distributions.FloatDistribution(0.0, 0.2),
    "weight_decay": optuna.distributions.FloatDistribution(1e-6, 1e-2, log=True),
}


def tune_training(
    train: LabelledImages,
    validation: LabelledImages,
    *,
    num_classes: int,
    policy: AugmentationPolicy,
    model: ModelConfig,
    base: TrainConfig,
    tune: TuneConfig,
    seed: int,
    study_name: str,
    storage: str,
    on_trial: TrialLog = lambda number, values, curve: None,
) -> BestParameters:
    """The values with the highest validation accuracy after `tune.epochs` epochs.

    A study of that name goes on where it stopped: only finished or pruned trials count towards
    `tune.trials`, and one that was killed is tried again. One process at a time.
    """

    def objective(trial: optuna.Trial) -> float:
        values = _suggest(trial)
        keras.utils.set_random_seed(seed)
        network = ARCHITECTURES[model.name].build(train.images[0].shape, num_classes, **model.options)
        config = TrainConfig.model_validate(base.model_dump() | values | {"epochs": tune.epochs})
        report = _ReportToOptuna(trial)
        try:
            fit_model(network, train, validation, policy=policy, config=config, seed=seed, callbacks=[report])
        finally:
            on_trial(trial.number, values, report.curve)
        if report.is_pruned:
            raise optuna.TrialPruned
        return max(report.curve)

    study = optuna.create_study(
        study_name=study_name,
        storage=storage,
        direction="maximize",
        load_if_exists=True,
        pruner=optuna.pruners.MedianPruner(n_startup_trials=2, n_warmup_steps=1),
    )
    # With one seed for all, a search that goes on would draw the same values again.
    study.sampler = optuna.samplers.TPESampler(seed=seed + len(study.trials))
    if not study.trials:
        # The user's own values are the first trial: the search can only improve on them.
        study.enqueue_trial(_own_values(base))
    _repeat_killed_trials(study)
    done = _finished_trials(study)
    if tune.trials > done:
        study.optimize(objective, n_trials=tune.trials - done, timeout=tune.timeout_seconds)
    return _best(study)


def _suggest(trial: optuna.Trial) -> dict[str, float]:
    return {
        name: trial.suggest_float(name, space.low, space.high, log=space.log) for name, space in SPACE.items()
    }


def _own_values(base: TrainConfig) -> dict[str, float]:
    """The user's values, moved into the space where they lie outside."""
    return {name: min(max(getattr(base, name), space.low), space.high) for name, space in SPACE.items()}


def _repeat_killed_trials(study: optuna.Study) -> None:
    """Ends trials whose process died, and puts their values first in the queue."""
    for trial in study.get_trials(states=(optuna.trial.TrialState.RUNNING,)):
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
        study.enqueue_trial(trial.params)


def _finished_trials(study: optuna.Study) -> int:
    states = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)
    return len(study.get_trials(states=states))


def _best(study: optuna.Study) -> BestParameters:
    if not study.get_trials(states=(optuna.trial.TrialState.COMPLETE,)):
        return BestParameters()
    return BestParameters(
        values=study.best_params,
        validation_accuracy=study.best_value,
        trials=_finished_trials(study),
    )


class _ReportToOptuna(keras.callbacks.Callback):
    """Tells the study each epoch's validation accuracy and stops a hopeless run.

    Optuna's own Keras integration is deprecated.
    """

    def __init__(self, trial: optuna.Trial) -> None:
        super().__init__()
        self._trial = trial
        self.curve: list[float] = []
        self.is_pruned = False

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        accuracy = float((logs or {})["val_accuracy"])
        self.curve.append(accuracy)
        self._trial.report(accuracy, epoch)
        if self._trial.should_prune():
            self.is_pruned = True
            self.model.stop_training = True
