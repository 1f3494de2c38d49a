"""Blurs: out of focus, through frosted glass, by a moving camera, by one that comes nearer.

As in the code of Hendrycks and Dietterich 2019, without scikit-image and ImageMagick. Images are (H, W, 3),
uint8.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.image_array import Pixels
from vision.robustness.pixels import rounded

Kernel = NDArray[np.float32]


def defocus_blur(image: Pixels, constants: Sequence[float], rng: np.random.Generator) -> Pixels:
    """Constants: (radius of the disk, standard deviation of what smooths its edge), pixels."""
    return np.asarray(cv2.filter2D(image, -1, _disk(*constants)), np.uint8)


def _disk(radius: float, smoothing: float) -> Kernel:
    reach = math.ceil(radius + 3 * smoothing)
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disk = (rows**2 + columns**2 <= radius**2).astype(np.float32)
    kernel: Kernel = cv2.GaussianBlur(disk / disk.sum(), (0, 0), smoothing)
    return kernel


def glass_blur(image: Pixels, constants: Sequence[float], rng: np.random.Generator) -> Pixels:
    """Constants: (standard deviation of the blur, pixels; how far a pixel moves; how often)."""
    deviation, distance, times = constants
    glass = cv2.GaussianBlur(image, (0, 0), deviation)
    for _ in range(round(times)):
        glass = displaced(glass, max(1, round(distance)), rng)
    return np.asarray(cv2.GaussianBlur(glass, (0, 0), deviation), np.uint8)


def displaced(image: Pixels, distance: int, rng: np.random.Generator) -> Pixels:
    """Each pixel is overwritten by one of its neighbours, from the last row and column to the first.

    The paper's loop over pixels, without the loop. It means to swap them, but NumPy's views make copies of
    it, and so ImageNet-C was made. A neighbour that comes later in the image was overwritten before: then
    its neighbour counts, and so on.
    """
    height, width = image.shape[:2]
    places = np.arange(height * width)
    rows, columns = (slice(distance + 1, side - distance + 1) for side in (height, width))
    inner = places.reshape(height, width)[rows, columns]
    down, right = rng.integers(-distance, distance, (2, *inner.shape))
    neighbours = places.copy()
    neighbours[inner] += down * width + right
    last = np.maximum(neighbours, places)  # one step along the chain of those that were overwritten before
    while not np.array_equal(further := last[last], last):
        last = further
    return image.reshape(-1, 3)[neighbours[last]].reshape(image.shape)


def motion_blur(image: Pixels, constants: Sequence[float], rng: np.random.Generator) -> Pixels:
    """Constants: (radius, standard deviation), pixels; the direction is drawn within 45 degrees of level."""
    kernel = motion_kernel(*constants, degrees=rng.uniform(-45, 45))
    return np.asarray(cv2.filter2D(image, -1, kernel, borderType=cv2.BORDER_REPLICATE), np.uint8)


def motion_kernel(radius: float, deviation: float, *, degrees: float) -> Kernel:
    """ImageMagick's: half a Gaussian along a ray of 2 * radius + 1 pixels; sums to 1."""
    steps = np.arange(2 * math.ceil(radius) + 1)
    weights = np.exp(-(steps**2) / (2 * deviation**2))
    angle = math.radians(degrees)
    columns, rows = (np.ceil(steps * part - 0.5).astype(int) for part in (math.cos(angle), math.sin(angle)))
    reach = len(steps) - 1
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
    np.add.at(kernel, (reach + rows, reach + columns), weights / weights.sum())
    return kernel


def zoom_blur(image: Pixels, constants: Sequence[float], rng: np.random.Generator) -> Pixels:
    """The mean of the image and of enlargements of it. Constants: (factor before which they end, step)."""
    end, step = constants
    height, width = image.shape[:2]
    centre = ((width - 1) / 2, (height - 1) / 2)
    factors = np.arange(1, end, step)
    total = image.astype(np.float32)
    for factor in factors:
        total += cv2.warpAffine(image, cv2.getRotationMatrix2D(centre, 0, factor), (width, height))
    return rounded(total / (len(factors) + 1))
