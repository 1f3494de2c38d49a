"""One trial of a search: a short training with the values that Optuna drew."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import optuna

from vision.prepared import LabelledImages
from vision.search_space import Settings, Values, in_place
from vision.training.objective import score_name
from vision.training.train import TrainingPlan, train_network
from vision.training_config import TuneConfig

LONGEST_REASON = 300  # characters: Keras' messages about shapes are pages


@dataclass(frozen=True)
class Search:
    """What is searched for, and on which images; `plan` holds the user's own values.

    It travels to the workers: images on disk go as names.
    """

    train: LabelledImages
    validation: LabelledImages
    num_classes: int
    plan: TrainingPlan
    tune: TuneConfig

    @property
    def settings(self) -> Settings:
        return Settings(self.plan.model, self.plan.train, self.plan.policy)

    @property
    def epochs(self) -> int:
        """Of one trial: where it fine-tunes, those of the head are reported too."""
        fine_tune = self.plan.train.fine_tune
        return self.tune.epochs + (fine_tune.head_epochs if fine_tune else 0)

    @property
    def score(self) -> str:
        """Its name; of validation images, the higher the better."""
        return score_name(self.train.labels)


@dataclass(frozen=True)
class Outcome:
    """The validation score of each epoch; `failure` says in words why there could be no more, else ""."""

    curve: Sequence[float]
    is_pruned: bool = False
    failure: str = ""


def train_trial(search: Search, trial: optuna.Trial, values: Values) -> Outcome:
    """How the training with these values went; an error that they caused is an outcome as well."""
    report = _Report(trial, f"val_{search.score}")
    try:
        model, train, policy = in_place({**values, "train.epochs": search.tune.epochs}, search.settings)
        plan = replace(search.plan, model=model, train=train, policy=policy)
        train_network(
            plan, search.train, search.validation, num_classes=search.num_classes, callbacks=[report]
        )
    except optuna.exceptions.OptunaError:  # of the study, not of the values
        raise
    except Exception as error:  # a network too large or too deep for the images, refused options ...
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:LONGEST_REASON]}"
        return Outcome(report.curve, failure=reason)
    return Outcome(report.curve, report.is_pruned, report.failure)


class _Report(keras.callbacks.Callback):
    """Tells the study each epoch's score, and ends a training that is hopeless or whose loss is no number.

    Optuna's own Keras integration is deprecated. Epochs are counted here: fine-tuning calls `fit` several
    times, and each begins with 0.
    """

    def __init__(self, trial: optuna.Trial, score: str) -> None:
        super().__init__()
        self._trial, self._score = trial, score
        self.curve: list[float] = []
        self.is_pruned = False
        self.failure = ""

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._stop_if_over()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        values = logs or {}
        if not math.isfinite(values["loss"]):
            self.failure = f"the loss became {values['loss']} in epoch {len(self.curve) + 1}"
        elif not (self.is_pruned or self.failure):
            self.curve.append(float(values[self._score]))
            self._trial.report(self.curve[-1], step=len(self.curve))
            self.is_pruned = bool(self._trial.should_prune())
        self._stop_if_over()

    def _stop_if_over(self) -> None:
        if self.is_pruned or self.failure:
            self.model.stop_training = True
