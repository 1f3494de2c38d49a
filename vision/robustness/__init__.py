"""How a classifier holds out when the images get worse: corruptions, re-encoding, resizing, rotation."""

from __future__ import annotations

from statistics import fmean

from pydantic import BaseModel, ConfigDict

from vision.intervals import MetricEstimate


class DisturbedScore(BaseModel):
    """Accuracy on the images under one disturbance; `strength` in its own words (severity 3, 45 degrees)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    disturbance: str
    strength: str
    accuracy: MetricEstimate


class Robustness(BaseModel):
    """`clean` is the accuracy on the same images undisturbed; scores come in the order of their strength."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    images: int
    clean: MetricEstimate
    scores: tuple[DisturbedScore, ...]

    @property
    def mean_accuracy(self) -> float:
        """Mean over the corruptions and their severities: one minus the mCE of Hendrycks and Dietterich 2019
        before it is divided by AlexNet's."""
        from vision.robustness.corruptions import CORRUPTIONS

        return fmean(score.accuracy.value for score in self.scores if score.disturbance in CORRUPTIONS)
