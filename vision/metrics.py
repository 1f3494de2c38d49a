"""The metrics: one function each, `(labels (N,), probabilities (N, K)) -> float`, in the table METRICS.

MULTI_LABEL_METRICS has those of labels (N, K): vision.multi_label holds its own, here stand those that both
tasks have; `measure` calls either. scikit-learn computes what it has; it is imported inside, because its
import takes a second. None of them warns or returns NaN for N >= 1: what each does where it is undefined
stands in its docstring.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vision import multi_label
from vision.errors import DataError
from vision.multi_label import OF_PRESENT, as_binary
from vision.task import Labels, Probabilities, has_class, present_labels, task_of

Answers = NDArray[Any]  # probabilities, or the labels given, bool
Metric = Callable[[Labels, Answers], float]

# Guo et al. 2017 (On Calibration of Modern Neural Networks), section 5.
ECE_BINS = 15


def accuracy(labels: Labels, probabilities: Probabilities) -> float:
    """Share of images whose likeliest class is right; on a tie the first class counts."""
    from sklearn.metrics import accuracy_score

    return float(accuracy_score(labels, probabilities.argmax(axis=1)))


def top_5_accuracy(labels: Labels, probabilities: Probabilities) -> float:
    """Share of images with the right class among the five likeliest; 1.0 where K <= 5."""
    from sklearn.metrics import top_k_accuracy_score

    classes = probabilities.shape[1]
    if classes <= 5:
        return 1.0
    return float(top_k_accuracy_score(labels, probabilities, k=5, labels=range(classes)))


def macro_precision(labels: Labels, probabilities: Probabilities) -> float:
    """Mean over classes of the share of right answers among those naming the class."""
    return _macro(labels, probabilities, average=0)


def macro_recall(labels: Labels, probabilities: Probabilities) -> float:
    """Mean over classes of the share of the class's images that were found."""
    return _macro(labels, probabilities, average=1)


def macro_f1(labels: Labels, probabilities: Probabilities) -> float:
    """Mean over classes of the harmonic mean of precision and recall."""
    return _macro(labels, probabilities, average=2)


def _macro(labels: Labels, probabilities: Probabilities, *, average: Literal[0, 1, 2]) -> float:
    """Over the classes that occur in labels or answers; an undefined share counts as 0."""
    from sklearn.metrics import precision_recall_fscore_support

    answers = probabilities.argmax(axis=1)
    return float(
        precision_recall_fscore_support(labels, answers, average="macro", zero_division=0.0)[average]
    )


def roc_auc(labels: Labels, probabilities: Probabilities) -> float:
    """Mean one-vs-rest area under the ROC curve, over the classes with positives and negatives.

    A class without either has no curve and is left out; 0.5 (no ranking shown) where none is left.
    """
    from sklearn.metrics import roc_auc_score

    positive = has_class(labels, probabilities.shape[1])
    both = np.flatnonzero(positive.any(axis=0) & ~positive.all(axis=0))
    areas = [roc_auc_score(positive[:, k], probabilities[:, k]) for k in both]
    return float(np.mean(areas)) if areas else 0.5


def log_loss(labels: Labels, probabilities: Probabilities) -> float:
    """Mean of -ln(probability of the right class), in nats.

    Probabilities are clipped at float32's epsilon, so a certain mistake costs 15.9 and not infinity.
    Multi-label: the mean over all N * K decisions, each between two classes.
    """
    from sklearn.metrics import log_loss as sklearn_log_loss

    if task_of(labels) == "multi_label":
        labels, probabilities = as_binary(labels, probabilities)
    single = np.asarray(probabilities, dtype=np.float32)
    return float(sklearn_log_loss(labels, single, labels=range(single.shape[1])))


def ece(labels: Labels, probabilities: Probabilities) -> float:
    """Expected calibration error: mean gap between confidence and accuracy over 15 bins, by images.

    Multi-label: by decisions, N * K of them; the confidence of each is max(p, 1 - p), 0.5..1, and it is
    right where p >= 0.5 says so: calibration is of the probability, whatever the threshold.
    """
    if task_of(labels) == "multi_label":
        labels, probabilities = as_binary(labels, probabilities)
    gaps = (probabilities.max(axis=1) - (probabilities.argmax(axis=1) == labels)).astype(np.float64)
    return float(np.abs(np.bincount(confidence_bins(probabilities), weights=gaps)).sum() / len(labels))


def confidence_bins(probabilities: Probabilities) -> NDArray[np.intp]:
    """Bin 0..14 of each image's top probability; bin m holds (m/15, (m+1)/15]."""
    upper = np.ceil(probabilities.max(axis=1) * ECE_BINS).astype(np.intp)
    bins: NDArray[np.intp] = np.clip(upper - 1, 0, ECE_BINS - 1)
    return bins


METRICS: dict[str, Metric] = {
    "accuracy": accuracy,
    "top_5_accuracy": top_5_accuracy,
    "macro_precision": macro_precision,
    "macro_recall": macro_recall,
    "macro_f1": macro_f1,
    "roc_auc": roc_auc,
    "log_loss": log_loss,
    "ece": ece,
}


MULTI_LABEL_METRICS: dict[str, Metric] = {
    "accuracy": multi_label.accuracy,
    "mean_average_precision": multi_label.mean_average_precision,
    "macro_precision": multi_label.macro_precision,
    "macro_recall": multi_label.macro_recall,
    "macro_f1": multi_label.macro_f1,
    "micro_f1": multi_label.micro_f1,
    "hamming_loss": multi_label.hamming_loss,
    "roc_auc": roc_auc,
    "log_loss": log_loss,
    "ece": ece,
}


def metrics_of(labels: Labels) -> dict[str, Metric]:
    """The table for labels of this task."""
    return METRICS if task_of(labels) == "multi_class" else MULTI_LABEL_METRICS


def answers_for(
    metric: str, labels: Labels, probabilities: Probabilities, thresholds: tuple[float, ...]
) -> Answers:
    """What the metric looks at: the labels given by the thresholds, else the probabilities."""
    if task_of(labels) == "multi_label" and metric in OF_PRESENT:
        return present_labels(probabilities, thresholds)
    return probabilities


def measure(
    metric: str, labels: Labels, probabilities: Probabilities, *, thresholds: tuple[float, ...] = ()
) -> float:
    """One metric of the table that fits the labels; thresholds, one a label, matter to multi-label only."""
    return metrics_of(labels)[metric](labels, answers_for(metric, labels, probabilities, thresholds))


def check_predictions(labels: Labels, probabilities: Probabilities) -> None:
    """Returns where the two fit each other, else DataError."""
    several = task_of(labels) == "multi_label"
    fitting = probabilities.shape if several else probabilities.shape[:1]
    if probabilities.ndim != 2 or labels.shape != fitting or not len(labels):
        raise DataError(
            f"labels of shape {labels.shape} do not fit probabilities of shape {probabilities.shape}:"
            " allowed are (N,), or (N, K) for several labels an image, and (N, K) with N of at least 1"
        )
    highest = 1 if several else probabilities.shape[1] - 1
    if labels.min() < 0 or labels.max() > highest:
        raise DataError(
            f"labels {labels.min()}..{labels.max()} do not fit {probabilities.shape[1]} classes:"
            f" allowed are 0..{highest}"
        )
    if not np.isfinite(probabilities).all():
        row = int(np.flatnonzero(~np.isfinite(probabilities).all(axis=1))[0])
        raise DataError(f"probabilities of image {row} are not finite: {probabilities[row]}")
