"""The metrics of multi-label answers: one function each, `(labels (N, K), answers (N, K)) -> float`.

`answers` are the labels given (`present`, bool) or their probabilities, as the argument's name says. What
scikit-learn has it computes, label by label: of two columns it would take a single label for two classes.
None warns or returns NaN for N >= 1. vision.metrics has the table.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from vision.task import Labels, Present, Probabilities

# The metrics that look at the labels given; the others look at the probabilities.
OF_PRESENT = ("accuracy", "macro_precision", "macro_recall", "macro_f1", "micro_f1", "hamming_loss")


def accuracy(labels: Labels, present: Present) -> float:
    """Subset accuracy: share of images that were given all of their labels and no other."""
    from sklearn.metrics import accuracy_score

    return float(accuracy_score(labels, present))


def hamming_loss(labels: Labels, present: Present) -> float:
    """Share of wrong decisions among all N * K."""
    from sklearn.metrics import hamming_loss as sklearn_hamming_loss

    return float(sklearn_hamming_loss(labels, present))


def macro_precision(labels: Labels, present: Present) -> float:
    """Mean over labels of the share of right ones among the images given the label."""
    return _macro(labels, present, average=0)


def macro_recall(labels: Labels, present: Present) -> float:
    """Mean over labels of the share of the images with the label that were given it."""
    return _macro(labels, present, average=1)


def macro_f1(labels: Labels, present: Present) -> float:
    """Mean over labels of the harmonic mean of precision and recall."""
    return _macro(labels, present, average=2)


def _macro(labels: Labels, present: Present, *, average: Literal[0, 1, 2]) -> float:
    """Over the labels that some image has or was given, 0.0 without any; an undefined share counts as 0."""
    from sklearn.metrics import precision_recall_fscore_support

    occurs = np.flatnonzero(((labels == 1) | present).any(axis=0))
    shares = [
        precision_recall_fscore_support(labels[:, k], present[:, k], average="binary", zero_division=0.0)
        for k in occurs
    ]
    return float(np.mean([share[average] for share in shares])) if shares else 0.0


def micro_f1(labels: Labels, present: Present) -> float:
    """F1 of all N * K decisions as one label's; 0.0 where no image has or was given any."""
    from sklearn.metrics import f1_score

    return float(f1_score(labels.ravel(), present.ravel(), zero_division=0.0))


def mean_average_precision(labels: Labels, probabilities: Probabilities) -> float:
    """Mean of the labels' average precision (area under precision over recall, in steps).

    A label that no image has is left out: it has no recall. 0.0 where none is left.
    """
    from sklearn.metrics import average_precision_score

    found = np.flatnonzero(labels.any(axis=0))
    areas = [average_precision_score(labels[:, k], probabilities[:, k]) for k in found]
    return float(np.mean(areas)) if areas else 0.0


def as_binary(labels: Labels, probabilities: Probabilities) -> tuple[Labels, Probabilities]:
    """All decisions, image by image, as those of one classifier of two classes: (N * K,), (N * K, 2)."""
    flat = probabilities.ravel()
    return labels.ravel(), np.stack([1 - flat, flat], axis=1)
