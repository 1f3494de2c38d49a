"""Each metric under many bootstrap resamples at once, for the metrics where that is faster by far.

A resample is a row of counts (how often each image was drawn), so a metric over R resamples is a few
products of matrices instead of R calls of scikit-learn; the tests prove both equal. A metric that is not
in the table is called once a resample instead (see vision.intervals): slower, never wrong. Labels are (N,),
or (N, K) of a multi-label set; answers are what the metric itself takes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vision.metrics import ECE_BINS, Answers, confidence_bins
from vision.multi_label import as_binary
from vision.task import Labels, Present, Probabilities, has_class, task_of

Counts = NDArray[np.float64]  # (R, N), each row sums to N
Values = NDArray[np.float64]  # (R,)


def macro_precision(labels: Labels, answers: Answers, counts: Counts) -> Values:
    right, _, answered, occurs = _tallies(labels, answers, counts)
    return _mean_over(occurs, right, answered)


def macro_recall(labels: Labels, answers: Answers, counts: Counts) -> Values:
    right, support, _, occurs = _tallies(labels, answers, counts)
    return _mean_over(occurs, right, support)


def macro_f1(labels: Labels, answers: Answers, counts: Counts) -> Values:
    right, support, answered, occurs = _tallies(labels, answers, counts)
    return _mean_over(occurs, 2 * right, support + answered)


def micro_f1(labels: Labels, present: Present, counts: Counts) -> Values:
    right, support, answered, _ = _tallies(labels, present, counts)
    return _share(2 * right.sum(axis=1), (support + answered).sum(axis=1))


def hamming_loss(labels: Labels, present: Present, counts: Counts) -> Values:
    losses: Values = counts @ (present != labels).mean(axis=1) / len(labels)
    return losses


def _tallies(labels: Labels, answers: Answers, counts: Counts) -> tuple[NDArray[Any], ...]:
    """(R, K) each: right answers, images, answers of each class, and whether the class occurs."""
    if task_of(labels) == "multi_label":
        right, support, answered = (
            counts @ chosen.astype(np.float64) for chosen in (answers & (labels == 1), labels, answers)
        )
    else:
        given, classes = answers.argmax(axis=1), answers.shape[1]
        right = _group(np.where(given == labels, labels, classes), counts, classes + 1)[:, :classes]
        support, answered = _group(labels, counts, classes), _group(given, counts, classes)
    return right, support, answered, support + answered > 0


def _group(keys: NDArray[Any], counts: Counts, groups: int) -> Counts:
    """(R, groups): the counts summed over the images of equal key."""
    return np.stack([np.bincount(keys, weights=row, minlength=groups) for row in counts])


def _mean_over(occurs: NDArray[Any], part: Counts, whole: Counts) -> Values:
    return _share(_share(part, whole).sum(axis=1), occurs.sum(axis=1))


def _share(part: NDArray[Any], whole: NDArray[Any]) -> NDArray[np.float64]:
    """part / whole, 0 where there is nothing to share."""
    shares: NDArray[np.float64] = np.divide(part, whole, out=np.zeros(part.shape), where=whole > 0)
    return shares


def roc_auc(labels: Labels, probabilities: Probabilities, counts: Counts) -> Values:
    """Area = chance that a positive outranks a negative, a tie counting half (Mann and Whitney 1947)."""
    return _mean_of_defined(_areas, labels, probabilities, counts, otherwise=0.5)


def mean_average_precision(labels: Labels, probabilities: Probabilities, counts: Counts) -> Values:
    return _mean_of_defined(_average_precision, labels, probabilities, counts, otherwise=0.0)


def _mean_of_defined(
    of_class: Callable[[NDArray[np.bool_], Probabilities, Counts], Values],
    labels: Labels,
    probabilities: Probabilities,
    counts: Counts,
    *,
    otherwise: float,
) -> Values:
    """The mean over classes, without those whose value is NaN; `otherwise` where none is left."""
    positive = has_class(labels, probabilities.shape[1])
    columns = zip(positive.T, probabilities.T, strict=True)
    values = np.stack([of_class(chosen, scores, counts) for chosen, scores in columns], axis=1)
    defined = np.isfinite(values)
    sums, numbers = np.where(defined, values, 0.0).sum(axis=1), defined.sum(axis=1)
    means: Values = np.divide(sums, numbers, out=np.full(len(counts), otherwise), where=numbers > 0)
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


def _average_precision(positive: NDArray[np.bool_], scores: Probabilities, counts: Counts) -> Values:
    """(R,), NaN where a resample has no positive: precision at each score, weighed by the recall gained."""
    order = np.argsort(-scores, kind="stable")
    last = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))  # of each score, for the ties
    drawn = counts[:, order]
    found, taken = (np.cumsum(chosen, axis=1)[:, last] for chosen in (drawn * positive[order], drawn))
    gained = np.diff(found, axis=1, prepend=0)
    whole = found[:, -1]
    areas: Values = np.where(whole > 0, _share((gained * _share(found, taken)).sum(axis=1), whole), np.nan)
    return areas


def log_loss(labels: Labels, probabilities: Probabilities, counts: Counts) -> Values:
    if task_of(labels) == "multi_label":
        labels, probabilities = as_binary(labels, probabilities)
    chosen = probabilities[np.arange(len(labels)), labels].astype(np.float32)
    epsilon = np.finfo(np.float32).eps
    losses = -np.log(np.clip(chosen, epsilon, 1 - epsilon).astype(np.float64))
    images = counts.shape[1]
    means: Values = counts @ losses.reshape(images, -1).mean(axis=1) / images
    return means


def ece(labels: Labels, probabilities: Probabilities, counts: Counts) -> Values:
    if task_of(labels) == "multi_label":
        labels, probabilities = as_binary(labels, probabilities)
    gaps = (probabilities.max(axis=1) - (probabilities.argmax(axis=1) == labels)).astype(np.float64)
    bins = np.eye(ECE_BINS)[confidence_bins(probabilities)] * gaps[:, None]
    by_image = bins.reshape(counts.shape[1], -1, ECE_BINS).sum(axis=1)
    errors: Values = np.abs(counts @ by_image).sum(axis=1) / len(labels)
    return errors


RESAMPLED: dict[str, Callable[[Labels, Answers, Counts], Values]] = {
    "mean_average_precision": mean_average_precision,
    "macro_precision": macro_precision,
    "macro_recall": macro_recall,
    "macro_f1": macro_f1,
    "micro_f1": micro_f1,
    "hamming_loss": hamming_loss,
    "roc_auc": roc_auc,
    "log_loss": log_loss,
    "ece": ece,
}
