"""From computed values back to pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vision.image_array import Pixels


def rounded(values: NDArray[np.floating[Any]]) -> Pixels:
    """Values of any range as uint8: to the nearest of 0..255."""
    pixels: Pixels = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return pixels
