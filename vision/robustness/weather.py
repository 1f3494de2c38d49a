"""Snow and fog. Frost is left out: it lays photographs of frost over the image, which are not ours to ship.

As in the code of Hendrycks and Dietterich 2019; images (H, W, 3), uint8.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.image_array import Pixels
from vision.robustness.blurs import motion_kernel
from vision.robustness.pixels import rounded

Layer = NDArray[np.floating[Any]]  # (H, W), 0..1


def snow(image: Pixels, constants: Sequence[float], rng: np.random.Generator) -> Pixels:
    """Constants: (mean and deviation of the flakes' brightness, their size in pixels, brightness below
    which there is none, radius and deviation of their fall in pixels, share of the image's own colours)."""
    mean, deviation, size, least, radius, fall, own = constants
    kernel = motion_kernel(radius, fall, degrees=rng.uniform(-135, -45))
    flakes = _speckles(image.shape, max(1, size), mean=mean, deviation=deviation, rng=rng)
    flakes = np.where(flakes < least, 0, flakes.clip(0, 1))
    falling = cv2.filter2D(flakes, -1, kernel, borderType=cv2.BORDER_REPLICATE)
    pixels = image.astype(np.float32) / 255
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    pale = own * pixels + (1 - own) * np.maximum(pixels, 1.5 * grey[..., None] + 0.5)
    return rounded(255 * (pale + (falling + np.rot90(falling, 2))[..., None]))


def _speckles(
    shape: Sequence[int], size: float, *, mean: float, deviation: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """(H, W) of noise whose grains are `size` pixels wide."""
    height, width = shape[:2]
    grains = rng.normal(mean, deviation, (math.ceil(height / size), math.ceil(width / size)))
    speckles: NDArray[np.float32] = cv2.resize(grains.astype(np.float32), (width, height))
    return speckles


def fog(image: Pixels, constants: Sequence[float], rng: np.random.Generator) -> Pixels:
    """Constants: (density, how much less each finer detail of the fog weighs)."""
    density, decay = constants
    height, width = image.shape[:2]
    clouds = plasma(max(height, width), decay, rng)[:height, :width, None]
    brightest = image.max() / 255
    return rounded((image + 255 * density * clouds) * brightest / (brightest + density))


def plasma(side: int, decay: float, rng: np.random.Generator) -> Layer:
    """Clouds (S, S), 0..1, S the power of two from `side`: the diamond-square algorithm, edges joined.

    Fournier, Fussell and Carpenter 1982. What is added at random shrinks by the square of `decay` from one
    level to the next: the paper's code multiplies by its amplitude twice.
    """
    side = 2 ** max(1, math.ceil(math.log2(side)))
    heights, step, amplitude = np.zeros((side, side)), side, 1.0
    while step > 1:
        half = step // 2
        corners, centres = heights[::step, ::step], heights[half::step, half::step]
        below, right = np.roll(corners, -1, axis=0), np.roll(corners, -1, axis=1)
        centres[:] = _wobbled(corners + below + right + np.roll(right, -1, axis=0), amplitude, rng)
        between = corners + right + centres + np.roll(centres, 1, axis=0)
        heights[::step, half::step] = _wobbled(between, amplitude, rng)
        between = corners + below + centres + np.roll(centres, 1, axis=1)
        heights[half::step, ::step] = _wobbled(between, amplitude, rng)
        step, amplitude = half, amplitude / decay**2
    heights -= heights.min()
    clouds: Layer = heights / heights.max()
    return clouds


def _wobbled(sums: Layer, amplitude: float, rng: np.random.Generator) -> Layer:
    """The mean of four neighbours, and chance."""
    return sums / 4 + amplitude * rng.uniform(-1, 1, sums.shape)
