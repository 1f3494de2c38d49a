"""The points of the reliability diagram and of the ROC and precision-recall curves, few enough to be drawn.

Of labels (N,) and (N, K): a class against the rest is a label against its absence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from vision.metrics import ECE_BINS, confidence_bins
from vision.multi_label import as_binary
from vision.task import Labels, Probabilities, has_class, task_of

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


class PrecisionRecallCurve(BaseModel):
    """One class against the rest, recall growing from 0; the average precision is of the whole curve."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    average_precision: float
    precision: tuple[float, ...]
    recall: tuple[float, ...]


def reliability_bins(labels: Labels, probabilities: Probabilities) -> tuple[ReliabilityBin, ...]:
    """The 15 bins of ECE, in order; multi-label: all decisions pooled, `images` counts them."""
    if task_of(labels) == "multi_label":
        labels, probabilities = as_binary(labels, probabilities)
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
    return tuple(
        _roc_curve(positive, scores, name)
        for name, positive, scores in _columns(labels, probabilities, class_names)
        if positive.any() and not positive.all()
    )


def precision_recall_curves(
    labels: Labels, probabilities: Probabilities, class_names: Sequence[str]
) -> tuple[PrecisionRecallCurve, ...]:
    """One curve a class, without the classes that have no positives."""
    return tuple(
        _precision_recall_curve(positive, scores, name)
        for name, positive, scores in _columns(labels, probabilities, class_names)
        if positive.any()
    )


def _columns(
    labels: Labels, probabilities: Probabilities, class_names: Sequence[str]
) -> Iterator[tuple[str, NDArray[np.bool_], Probabilities]]:
    positive = has_class(labels, len(class_names))
    return zip(class_names, positive.T, probabilities.T, strict=True)


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


def _precision_recall_curve(
    positive: NDArray[np.bool_], scores: Probabilities, name: str
) -> PrecisionRecallCurve:
    from sklearn.metrics import average_precision_score, precision_recall_curve

    precision, recall, _ = precision_recall_curve(positive, scores)
    precision, recall = precision[::-1], recall[::-1]
    kept = _thin(recall, precision)
    return PrecisionRecallCurve(
        name=name,
        average_precision=float(average_precision_score(positive, scores)),
        precision=tuple(float(share) for share in precision[kept]),
        recall=tuple(float(share) for share in recall[kept]),
    )


def _thin(across: NDArray[Any], up: NDArray[Any]) -> NDArray[np.intp]:
    """Indices of at most 100 points, both ends among them, evenly spaced along the curve's length."""
    steps = np.abs(np.diff(across)) + np.abs(np.diff(up))
    length = np.concatenate([[0.0], np.cumsum(steps)])
    return np.unique(np.searchsorted(length, np.linspace(0, length[-1], MAX_POINTS)).clip(0, len(length) - 1))
