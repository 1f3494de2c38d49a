"""What a search found, as an artifact: read by training without Optuna or Keras."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from vision.config import TrainConfig


class BestParameters(BaseModel):
    """Values for fields of TrainConfig; empty where the search was skipped."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    values: dict[str, float] = {}
    validation_accuracy: float | None = None
    trials: int = 0

    def apply(self, config: TrainConfig) -> TrainConfig:
        """The configuration with the found values in place of its own."""
        return TrainConfig.model_validate(config.model_dump() | self.values)
