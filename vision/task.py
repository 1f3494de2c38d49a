"""What is asked of a classifier: the one class of an image, or each class that an image has.

The service imports it: it needs numpy alone.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Task = Literal["multi_class", "multi_label"]
Labels = NDArray[np.integer[Any]]  # multi-class: indices (N,), 0..K-1; multi-label: (N, K), 0 or 1
Probabilities = NDArray[np.floating[Any]]  # (N, K), 0..1
Present = NDArray[np.bool_]  # (N, K)


def task_of(labels: Labels) -> Task:
    """Multi-label for labels (N, K), 0 or 1; multi-class for class indices (N,)."""
    return "multi_label" if labels.ndim == 2 else "multi_class"


def has_class(labels: Labels, classes: int) -> Present:
    """(N, K): whether each image has each class, of labels of either task."""
    has: Present = labels == 1 if labels.ndim == 2 else labels[:, None] == np.arange(classes)
    return has


def present_labels(probabilities: Probabilities, thresholds: tuple[float, ...]) -> Present:
    """(N, K): whether each probability (N, K) reaches its label's threshold; 0.5 where none are given."""
    present: Present = probabilities >= np.array(thresholds or (0.5,))
    return present
