"""Which images a classifier has right: what accuracy counts, image by image.

Slices, the comparison of two models and resampling all need the images behind the share.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from vision.metrics import Answers, answers_for
from vision.task import Labels, Probabilities, task_of

IsRight = NDArray[np.bool_]  # (N,)


def right_images(
    labels: Labels, probabilities: Probabilities, *, thresholds: tuple[float, ...] = ()
) -> IsRight:
    """(N,): whether each image is wholly right: its class is the likeliest, or each label as it should be."""
    return has_all_right(labels, answers_for("accuracy", labels, probabilities, thresholds))


def has_all_right(labels: Labels, answers: Answers) -> IsRight:
    """The same of what the metric itself takes: probabilities, or the labels given, (N, K)."""
    if task_of(labels) == "multi_label":
        whole: IsRight = (answers == labels).all(axis=1)
        return whole
    right: IsRight = answers.argmax(axis=1) == labels
    return right


def has_right_among_five(labels: Labels, probabilities: Probabilities) -> IsRight:
    """(N,): whether fewer than five classes come before the right one; of a tie, as scikit-learn has it, the
    later class comes first."""
    chosen = probabilities[np.arange(len(labels)), labels][:, None]
    is_later = np.arange(probabilities.shape[1]) > labels[:, None]
    before = (probabilities > chosen) | ((probabilities == chosen) & is_later)
    among: IsRight = before.sum(axis=1) < 5
    return among


# Metric -> the images that it counts: their share is the metric.
SHARES_OF_IMAGES: dict[str, Callable[[Labels, Answers], IsRight]] = {
    "accuracy": has_all_right,
    "top_5_accuracy": has_right_among_five,
}
