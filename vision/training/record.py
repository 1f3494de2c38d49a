"""How a training run went: what the report and MLflow show of it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class TrainingRecord(BaseModel):
    """`history` has one value an epoch, under Keras' names (loss, val_accuracy ...).

    `score` is the one that says how good it is: accuracy, or average_precision for several labels;
    `member_scores` are those of an ensemble's members on validation. `flops` are those of one image.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    architecture: str
    recipe: str = ""
    accelerator: str = ""
    parameters: int
    flops: int | None = None
    history: dict[str, tuple[float, ...]]
    seconds: float
    images_per_second: float
    score: str = "accuracy"
    member_scores: tuple[float, ...] = ()
    run_id: str = ""

    @property
    def epochs(self) -> int:
        return len(self.history["loss"])
