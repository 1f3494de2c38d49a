"""The points of the reliability diagram and of the ROC curves, few enough to be stored and drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from vision.metrics import ECE_BINS, Labels, Probabilities, confidence_bins

MAX_POINTS = 100


class ReliabilityBin(BaseModel):
    """The images whose top probability lies in (low, high]; both means are 0 where there are none."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    low: float
    high: float
    images: int
    confidence: float
    accuracy: float


class RocCurve(BaseModel):
    """One class against the rest, from (0, 0) to (1, 1); `auc` is of the whole curve, before thinning."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    class_name: str
    auc: float
    false_positive_rate: tuple[float, ...]
    true_positive_rate: tuple[float, ...]


def reliability_bins(labels: Labels, probabilities: Probabilities) -> tuple[ReliabilityBin, ...]:
    """The 15 bins of ECE, in order."""
    bins = confidence_bins(probabilities)
    right = (probabilities.argmax(axis=1) == labels).astype(np.float64)
    images = np.bincount(bins, minlength=ECE_BINS)
    confidences, accuracies = (
        np.bincount(bins, weights=values, minlength=ECE_BINS) / np.maximum(images, 1)
        for values in (probabilities.max(axis=1), right)
    )
    return tuple(
        ReliabilityBin(
            low=m / ECE_BINS,
            high=(m + 1) / ECE_BINS,
            images=int(images[m]),
            confidence=float(confidences[m]),
            accuracy=float(accuracies[m]),
        )
        for m in range(ECE_BINS)
    )


def roc_curves(
    labels: Labels, probabilities: Probabilities, class_names: Sequence[str]
) -> tuple[RocCurve, ...]:
    """One curve a class, without the classes that have no positives or no negatives."""
    curves = []
    for k, name in enumerate(class_names):
        positive = labels == k
        if positive.any() and not positive.all():
            curves.append(_roc_curve(positive, probabilities[:, k], name))
    return tuple(curves)


def _roc_curve(positive: NDArray[np.bool_], scores: Probabilities, name: str) -> RocCurve:
    from sklearn.metrics import auc, roc_curve

    false_rate, true_rate, _ = roc_curve(positive, scores)
    kept = _thin(false_rate, true_rate)
    return RocCurve(
        class_name=name,
        auc=float(auc(false_rate, true_rate)),
        false_positive_rate=tuple(float(rate) for rate in false_rate[kept]),
        true_positive_rate=tuple(float(rate) for rate in true_rate[kept]),
    )


def _thin(false_rate: NDArray[Any], true_rate: NDArray[Any]) -> NDArray[np.intp]:
    """Indices of at most 100 points, both ends among them, evenly spaced along the curve's length."""
    length = false_rate + true_rate  # both only grow
    return np.unique(np.searchsorted(length, np.linspace(0, length[-1], MAX_POINTS)).clip(0, len(length) - 1))
