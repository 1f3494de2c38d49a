"""k-fold cross-validation: how much the score depends on which images were held out.

Here is what comes out; folds.py divides the images, training.py trains, answers.py measures the answers.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from vision.intervals import MetricEstimate


class FoldScores(BaseModel):
    """One metric in each fold; `spread` is the standard deviation over the folds (n - 1)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    values: tuple[float, ...]
    mean: float
    spread: float


class CrossValidation(BaseModel):
    """`pooled` are the metrics of all out-of-fold answers together."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    folds: int
    images: int
    scores: dict[str, FoldScores]
    pooled: dict[str, MetricEstimate]
    label_issues: int  # images whose label cleanlab doubts by the out-of-fold answers


class OptionalCrossValidation(BaseModel):
    """What the step hands on: `result` is None where config.cross_validate.folds is 0."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    result: CrossValidation | None = None
