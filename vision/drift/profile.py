"""What images and the answers to them look like: of the validation images, or of a time of service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Profile:
    """N answers, and M images that were kept of them; of the reference N = M.

    `right` and `covered` are of the answers that a person judged (the reference: all): whether the answer
    was right, and whether the prediction set held the truth.
    """

    probabilities: NDArray[np.float32]  # (N, K)
    energy: NDArray[np.float64]  # (N,)
    right: NDArray[np.bool_]  # (F,)
    covered: NDArray[np.bool_]  # (F,)
    properties: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)  # name -> (M,)
    embeddings: NDArray[np.floating[Any]] = field(
        default_factory=lambda: np.zeros((0, 0), np.float32)
    )  # (M, D)
