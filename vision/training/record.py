"""How a training run went: what the report and MLflow show of it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class TrainingRecord(BaseModel):
    """`history` has one value an epoch, under Keras' names (loss, val_accuracy ...)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    architecture: str
    parameters: int
    history: dict[str, tuple[float, ...]]
    seconds: float
    images_per_second: float
    run_id: str = ""

    @property
    def epochs(self) -> int:
        return len(self.history["loss"])
