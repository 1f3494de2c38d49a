"""Light, bending, and what storing an image does to it: brightness, contrast, elastic, pixelate, JPEG.

As in the code of Hendrycks and Dietterich 2019; images (H, W, 3), uint8.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.image_array import Pixels
from vision.robustness.pixels import rounded


def brightness(image: Pixels, constants: Sequence[float], rng: np.random.Generator) -> Pixels:
    """Constants: (what the largest channel gains, as a share of 255); hue and saturation stay."""
    (gain,) = constants
    hsv = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2HSV)
    hsv[..., 2] = np.minimum(hsv[..., 2] + gain, 1)
    return rounded(255 * cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB))


def contrast(image: Pixels, constants: Sequence[float], rng: np.random.Generator) -> Pixels:
    """Constants: (the share that is left of each channel's distance from its mean)."""
    (share,) = constants
    means = image.mean(axis=(0, 1), dtype=np.float32)
    return rounded((image - means) * np.float32(share) + means)


def elastic_transform(image: Pixels, constants: Sequence[float], rng: np.random.Generator) -> Pixels:
    """Simard et al. 2003, after a random affine map. Constants: (strength, pixels squared; deviation of the
    blur of the displacements; how far the affine map's three points move), pixels."""
    strength, deviation, shift = constants
    height, width = image.shape[:2]
    sheared = cv2.warpAffine(
        image, _affine(width, height, shift, rng), (width, height), borderMode=cv2.BORDER_REFLECT_101
    )
    noise = rng.uniform(-1, 1, (2, height, width)).astype(np.float32)
    rows, columns = np.indices((height, width), np.float32) + strength * _smooth(noise, deviation)
    bent = cv2.remap(sheared, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(bent, np.uint8)


def _affine(width: int, height: int, shift: float, rng: np.random.Generator) -> NDArray[np.float64]:
    centre, reach = np.array([width // 2, height // 2]), max(1, min(width, height) // 3)
    points = (centre + reach * np.array([[1, 1], [1, -1], [-1, -1]])).astype(np.float32)
    moved = points + rng.uniform(-shift, shift, points.shape).astype(np.float32)
    matrix: NDArray[np.float64] = cv2.getAffineTransform(points, moved)
    return matrix


def _smooth(noise: NDArray[np.float32], deviation: float) -> NDArray[np.float32]:
    """(2, H, W) under a Gaussian blur with reflected borders: a product in the cosine transform.

    The paper's widest has a deviation of 171 pixels; cv2.GaussianBlur takes 47 ms for it, this 2 ms.
    """
    from scipy.fft import dctn, idctn

    rows, columns = (np.pi * deviation * np.arange(side) / side for side in noise.shape[1:])
    gain = np.exp(-(rows[:, None] ** 2 + columns**2) / 2).astype(np.float32)
    smooth: NDArray[np.float32] = idctn(gain * dctn(noise, axes=(1, 2)), axes=(1, 2))
    return smooth


def pixelate(image: Pixels, constants: Sequence[float], rng: np.random.Generator) -> Pixels:
    """Constants: (the share of its height and width that the image keeps between)."""
    (share,) = constants
    height, width = image.shape[:2]
    small = (max(1, int(width * share)), max(1, int(height * share)))
    fewer = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(fewer, (width, height), interpolation=cv2.INTER_NEAREST_EXACT), np.uint8)


def jpeg_compression(image: Pixels, constants: Sequence[float], rng: np.random.Generator) -> Pixels:
    """Constants: (quality, 0..100)."""
    (quality,) = constants
    return recompressed(image, quality)


def recompressed(image: Pixels, quality: float) -> Pixels:
    """The image after it was stored as a JPEG file of that quality, 0..100, with halved colour resolution."""
    encoded = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, round(quality)])[1]
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR_RGB), np.uint8)
