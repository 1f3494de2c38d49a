"""What the doubt is worth on test images: coverage of the sets, errors left where people see the doubtful."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from vision.intervals import MetricEstimate


class SetScores(BaseModel):
    """Prediction sets of one rule: promised coverage, what came out, and what it cost in classes a set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: str
    promised: float
    coverage: MetricEstimate
    mean_size: float
    sizes: tuple[int, ...]  # images whose set has 0, 1, 2 ... classes
    per_class: dict[str, float]  # class -> coverage of its images


class SelectivePoint(BaseModel):
    """Of the most confident share of the images (0..1), the share that is wrong."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    coverage: float
    error: float


class UncertaintyEvaluation(BaseModel):
    """`automated`: share of test images that need no person at `target_error`; `error`: the wrong among them.

    `ece_before`, `ece_after`: calibration. `doubt` are areas under the ROC curve of telling wrong answers
    from right ones, by score (confidence, energy, dropout, members).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    target_error: float
    automated: MetricEstimate
    error: MetricEstimate
    sets: tuple[SetScores, ...]
    curve: tuple[SelectivePoint, ...]
    ece_before: float
    ece_after: float
    doubt: dict[str, float]
