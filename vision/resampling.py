"""Each metric under many bootstrap resamples at once, for the metrics where that is faster by far.

A resample is a row of counts (how often each image was drawn), so a metric over R resamples is a few
products of matrices instead of R calls of scikit-learn; the tests prove both equal. A metric that is not
in the table is called once a resample instead (see vision.intervals): slower, never wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vision.metrics import ECE_BINS, Labels, Probabilities, confidence_bins

Counts = NDArray[np.float64]  # (R, N), each row sums to N
Values = NDArray[np.float64]  # (R,)


def macro_precision(labels: Labels, probabilities: Probabilities, counts: Counts) -> Values:
    right, _, answered, occurs = _tallies(labels, probabilities, counts)
    return _mean_over(occurs, right, answered)


def macro_recall(labels: Labels, probabilities: Probabilities, counts: Counts) -> Values:
    right, support, _, occurs = _tallies(labels, probabilities, counts)
    return _mean_over(occurs, right, support)


def macro_f1(labels: Labels, probabilities: Probabilities, counts: Counts) -> Values:
    right, support, answered, occurs = _tallies(labels, probabilities, counts)
    return _mean_over(occurs, 2 * right, support + answered)


def _tallies(labels: Labels, probabilities: Probabilities, counts: Counts) -> tuple[NDArray[Any], ...]:
    """(R, K) each: right answers, images, answers of each class, and whether the class occurs."""
    answers, classes = probabilities.argmax(axis=1), probabilities.shape[1]
    right = _group(np.where(answers == labels, labels, classes), counts, classes + 1)[:, :classes]
    support, answered = _group(labels, counts, classes), _group(answers, counts, classes)
    return right, support, answered, support + answered > 0


def _group(keys: NDArray[Any], counts: Counts, groups: int) -> Counts:
    """(R, groups): the counts summed over the images of equal key."""
    return np.stack([np.bincount(keys, weights=row, minlength=groups) for row in counts])


def _mean_over(occurs: NDArray[Any], part: Counts, whole: Counts) -> Values:
    shares = np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
    means: Values = shares.sum(axis=1) / occurs.sum(axis=1)
    return means


def roc_auc(labels: Labels, probabilities: Probabilities, counts: Counts) -> Values:
    """Area = chance that a positive outranks a negative, a tie counting half (Mann and Whitney 1947)."""
    areas = np.stack(
        [_areas(labels == k, probabilities[:, k], counts) for k in range(probabilities.shape[1])], axis=1
    )
    defined = np.isfinite(areas)
    sums, numbers = np.where(defined, areas, 0.0).sum(axis=1), defined.sum(axis=1)
    means: Values = np.divide(sums, numbers, out=np.full(len(counts), 0.5), where=numbers > 0)
    return means


def _areas(positive: NDArray[np.bool_], scores: Probabilities, counts: Counts) -> Values:
    """(R,), NaN where a resample has no positive or no negative.

    A positive outranks all images below it; of these pairs, W^2 / 2 are of two positives and do not count.
    """
    images, chosen = len(scores), np.flatnonzero(positive)
    order = np.argsort(scores, kind="stable")
    below = np.zeros((len(counts), images + 1))  # column i: images drawn of the i lowest scores
    np.cumsum(counts[:, order], axis=1, out=below[:, 1:])
    first, last = (np.searchsorted(scores[order], scores[chosen], side=side) for side in ("left", "right"))
    drawn = counts[:, chosen]
    weight = drawn.sum(axis=1)
    won = (drawn * (below[:, first] + below[:, last])).sum(axis=1) / 2 - weight**2 / 2
    pairs = weight * (images - weight)
    areas: Values = np.divide(won, pairs, out=np.full(len(counts), np.nan), where=pairs > 0)
    return areas


def log_loss(labels: Labels, probabilities: Probabilities, counts: Counts) -> Values:
    chosen = probabilities[np.arange(len(labels)), labels].astype(np.float32)
    epsilon = np.finfo(np.float32).eps
    losses = -np.log(np.clip(chosen, epsilon, 1 - epsilon).astype(np.float64))
    means: Values = counts @ losses / len(labels)
    return means


def ece(labels: Labels, probabilities: Probabilities, counts: Counts) -> Values:
    gaps = (probabilities.max(axis=1) - (probabilities.argmax(axis=1) == labels)).astype(np.float64)
    bins = np.eye(ECE_BINS)[confidence_bins(probabilities)]
    errors: Values = np.abs(counts @ (bins * gaps[:, None])).sum(axis=1) / len(labels)
    return errors


RESAMPLED: dict[str, Callable[[Labels, Probabilities, Counts], Values]] = {
    "macro_precision": macro_precision,
    "macro_recall": macro_recall,
    "macro_f1": macro_f1,
    "roc_auc": roc_auc,
    "log_loss": log_loss,
    "ece": ece,
}
