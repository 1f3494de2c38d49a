"""Optional enhancement of an image, by OpenCV: part of preprocessing, so training and service do the same.

It comes after the resize: its cost and its effect are then those of the model's size, whatever the camera.
OpenCV takes 0.1 s to import and is imported by the first image that needs it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

Pixels = NDArray[np.uint8]

# OpenCV's own defaults of fastNlMeansDenoisingColored and createCLAHE.
PATCH, SEARCH = 7, 21
TILES = (8, 8)
SHARPENING_SIGMA = 1.0


class Enhancement(BaseModel):
    """What is done to each image, in the order of the fields; nothing by default."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    denoise: float = Field(
        0.0, ge=0, le=30, description="strength of non-local means (Buades et al. 2005); 3..10 is usual"
    )
    white_balance: bool = Field(False, description="gray world (Buchsbaum 1980): equal mean of R, G, B")
    clahe: float = Field(
        0.0,
        ge=0,
        le=40,
        description="clip limit of local contrast (Zuiderveld 1994) on L of CIELAB; 2 is usual",
    )
    sharpen: float = Field(0.0, ge=0, le=5, description="amount of unsharp masking; 0.5 is usual")

    @property
    def is_off(self) -> bool:
        return not (self.denoise or self.white_balance or self.clahe or self.sharpen)

    def apply(self, pixels: Pixels) -> Pixels:
        """Pixels (H, W, 3), uint8 RGB 0..255, of the same shape."""
        if self.denoise:
            pixels = _denoise(pixels, self.denoise)
        if self.white_balance:
            pixels = _balance_white(pixels)
        if self.clahe:
            pixels = _equalise(pixels, self.clahe)
        if self.sharpen:
            pixels = _sharpen(pixels, self.sharpen)
        return pixels


def _denoise(pixels: Pixels, strength: float) -> Pixels:
    import cv2

    return np.asarray(
        cv2.fastNlMeansDenoisingColored(pixels, None, strength, strength, PATCH, SEARCH), np.uint8
    )


def _balance_white(pixels: Pixels) -> Pixels:
    import cv2

    means = np.array(cv2.mean(pixels)[:3])
    gains = means.mean() / np.maximum(means, 1.0)  # a channel that is black stays black
    return np.asarray(cv2.multiply(pixels, (*gains, 1.0)), np.uint8)


def _equalise(pixels: Pixels, clip_limit: float) -> Pixels:
    import cv2

    lab = cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB)
    lab[:, :, 0] = cv2.createCLAHE(clip_limit, TILES).apply(np.ascontiguousarray(lab[:, :, 0]))
    return np.asarray(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), np.uint8)


def _sharpen(pixels: Pixels, amount: float) -> Pixels:
    import cv2

    blurred = cv2.GaussianBlur(pixels, (0, 0), SHARPENING_SIGMA)
    return np.asarray(cv2.addWeighted(pixels, 1 + amount, blurred, -amount, 0), np.uint8)
