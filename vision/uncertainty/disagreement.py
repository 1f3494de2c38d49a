"""How far several networks, or one network drawn several times, disagree about an image."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vision.task import Task


def disagreement(members: NDArray[np.floating[Any]], task: Task = "multi_class") -> NDArray[np.float64]:
    """Mutual information (N,) in nats between the answer and which member gave it; probabilities (M, N, K).

    The entropy of the mean less the mean entropy (BALD, Houlsby et al. 2011, equation 2): 0 where all say
    the same, however unsure; at most ln(K) and ln(M). Multi-label: the sum over labels, each of which is
    present or not.
    """
    given = members.astype(np.float64)
    information = _entropy(given.mean(axis=0)) - _entropy(given).mean(axis=0)
    if task == "multi_label":
        absent = 1 - given
        information += _entropy(absent.mean(axis=0)) - _entropy(absent).mean(axis=0)
    positive: NDArray[np.float64] = np.maximum(0, information)  # it is; the difference may miss it by 1e-16
    return positive


def _entropy(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum over the last axis of -p ln(p), 0 where p is 0."""
    logarithms = np.log(probabilities, out=np.zeros_like(probabilities), where=probabilities > 0)
    summed: NDArray[np.float64] = -(probabilities * logarithms).sum(axis=-1)
    return summed
