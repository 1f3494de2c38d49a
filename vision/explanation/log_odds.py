"""How strongly an answer speaks for a class, on a scale that does not end at 1."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vision.task import Task


def log_odds(
    logits: NDArray[np.float32], class_indices: NDArray[np.int64], task: Task
) -> NDArray[np.float32]:
    """(N,): the class's logit less the log-sum-exp of the others; a label's logit is its log-odds already.

    Log-odds and not probability, which stays at 1.0 through many a change where the model is sure.
    """
    rows = np.arange(len(logits))
    if task == "multi_label":
        return logits[rows, class_indices]
    others = logits.copy()
    others[rows, class_indices] = -np.inf
    odds: NDArray[np.float32] = logits[rows, class_indices] - np.logaddexp.reduce(others, axis=1)
    return odds
