"""Noise of a sensor: each value of each channel is disturbed by itself.

As in the code of Hendrycks and Dietterich 2019; images (H, W, 3), uint8.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vision.image_array import Pixels
from vision.robustness.pixels import rounded


def gaussian_noise(image: Pixels, constants: Sequence[float], rng: np.random.Generator) -> Pixels:
    """Constants: (standard deviation as a share of 255)."""
    (deviation,) = constants
    return rounded(image + 255 * np.float32(deviation) * rng.standard_normal(image.shape, np.float32))


def shot_noise(image: Pixels, constants: Sequence[float], rng: np.random.Generator) -> Pixels:
    """Too little light. Constants: (photons that make white)."""
    (photons,) = constants
    return rounded(rng.poisson(image * (photons / 255)) * (255 / photons))


def impulse_noise(image: Pixels, constants: Sequence[float], rng: np.random.Generator) -> Pixels:
    """Salt and pepper. Constants: (share of the values that become 0 or 255, half of them each)."""
    (share,) = constants
    drawn = rng.random(image.shape, np.float32)
    noisy = image.copy()
    noisy[drawn < share / 2] = 0
    noisy[drawn > 1 - share / 2] = 255
    return noisy
