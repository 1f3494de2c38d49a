"""How probabilities become answers, and what these say of themselves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vision.task import Present, Task, has_class, present_labels


@dataclass(frozen=True)
class Answering:
    """A classifier as far as its answers are concerned.

    `thresholds`, of several labels: one a label, or none for 0.5 each. `coverage` is what the prediction sets
    promise, 0..1, None without such a promise.
    """

    class_names: tuple[str, ...] = ()
    task: Task = "multi_class"
    thresholds: tuple[float, ...] = ()
    coverage: float | None = None

    def given(self, probabilities: NDArray[np.float32]) -> Present:
        """(N, K): the class that each answer names, or the labels that it gives."""
        if self.task == "multi_label":
            return present_labels(probabilities, self.thresholds)
        return has_class(probabilities.argmax(axis=1), probabilities.shape[1])

    def confidence(self, probabilities: NDArray[np.float32]) -> NDArray[np.float64]:
        """(N,): the chance by which an answer says that it is right.

        Of several labels the chance that all are, as if one did not depend on another.
        """
        if self.task == "multi_class":
            top: NDArray[np.float64] = probabilities.max(axis=1).astype(np.float64)
            return top
        exact = probabilities.astype(np.float64)
        chances: NDArray[np.float64] = np.where(self.given(probabilities), exact, 1 - exact).prod(axis=1)
        return chances
