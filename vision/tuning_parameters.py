"""What a search found, as an artifact: read by training and the report without Optuna or Keras."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from vision.augmentation_policy import AugmentationPolicy
from vision.model_config import ModelConfig
from vision.search_space import Settings, Value, in_place
from vision.training_config import TrainConfig


class _Found(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TrialRecord(_Found):
    """One trial; `state` is Optuna's name, `value` its best score, `failure` why it could not be trained."""

    number: int
    value: float | None
    state: Literal["COMPLETE", "PRUNED", "FAIL"]
    parameters: dict[str, Value]
    failure: str = ""


class SearchRecord(_Found):
    """Every trial that ended; `score` is its name (accuracy), importances are shares 0..1, {} if too few."""

    score: str
    trials: tuple[TrialRecord, ...]
    importances: dict[str, float]

    def best(self, limit: int) -> tuple[TrialRecord, ...]:
        """Completed trials, the best first, of equal ones the earliest."""
        completed = [trial for trial in self.trials if trial.state == "COMPLETE" and trial.value is not None]
        return tuple(sorted(completed, key=lambda trial: (-(trial.value or 0), trial.number))[:limit])


class BestParameters(_Found):
    """Values by dotted path (train.learning_rate) and their score; empty where the search was skipped.

    `trials` counts those that ended, pruned ones too.
    """

    values: dict[str, Value] = {}
    score: float | None = None
    trials: int = 0
    search: SearchRecord | None = None

    def apply(self, model: ModelConfig, train: TrainConfig, policy: AugmentationPolicy) -> Settings:
        """Model, train and augment, in this order, with the values in place of their own."""
        return in_place(self.values, Settings(model, train, policy))
