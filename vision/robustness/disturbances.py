"""Everything that is done to test images: the corruptions, and what happens to images on their way.

Re-encoding, smaller copies and turned cameras are what a service meets every day.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from vision.image_array import Pixels
from vision.robustness.corruptions import CORRUPTIONS, SEVERITIES, corrupt
from vision.robustness.digital import recompressed

QUALITIES = (90, 70, 50, 30, 10)
SHARES = (0.75, 0.5, 0.25)
ANGLES = (5, 15, 30, 45, 90)  # degrees


@dataclass(frozen=True)
class Disturbance:
    """What is done and how much of it; `apply` takes an image (H, W, 3), uint8, and a seed."""

    name: str
    strength: str
    apply: Callable[[Pixels, int], Pixels]


def rescaled(image: Pixels, share: float) -> Pixels:
    """The image after its height and width were shrunk to that share and enlarged again."""
    height, width = image.shape[:2]
    small = (max(1, round(width * share)), max(1, round(height * share)))
    shrunk = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(shrunk, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def rotated(image: Pixels, degrees: float) -> Pixels:
    """The image turned anticlockwise about its centre; beyond its borders it is reflected."""
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1)
    turned = cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(turned, np.uint8)


def _corruption(name: str, severity: int) -> Disturbance:
    def apply(image: Pixels, seed: int) -> Pixels:
        return corrupt(image, name, severity=severity, seed=seed)

    return Disturbance(name, f"severity {severity}", apply)


def _without_chance(
    name: str, strength: str, function: Callable[[Pixels, float], Pixels], amount: float
) -> Disturbance:
    return Disturbance(name, strength, lambda image, _: function(image, amount))


# Each by rising strength.
DISTURBANCES: tuple[Disturbance, ...] = (
    *(_corruption(name, severity) for name in CORRUPTIONS for severity in SEVERITIES),
    *(_without_chance("jpeg_quality", f"quality {value}", recompressed, value) for value in QUALITIES),
    *(_without_chance("rescaling", f"{share:.0%} and back", rescaled, share) for share in SHARES),
    *(_without_chance("rotation", f"{angle} degrees", rotated, angle) for angle in ANGLES),
)
