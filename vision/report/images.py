"""Pixels and plots as data URIs, so that the page needs no other file."""

from __future__ import annotations

import io
from base64 import b64encode
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# Thumbnails stand at about 120 CSS pixels; half as much again for screens of high density. With these two
# numbers a report of ten classes with 24 pairs of pure noise, the worst there is, stays under 2 MB.
MAX_SIDE = 176
JPEG_QUALITY = 80
# Activation maps have twice the side, since they are looked into, and the quality that this leaves room for.
LARGE_SIDE = 360
LARGE_QUALITY = 70
# Below this an image is shown with its pixels as squares instead of blurred.
PIXELATED_BELOW = 96
PLOT_DPI = 150
CSS_DPI = 96
HEAVY_SVG = 90_000  # characters of its URI


@dataclass(frozen=True)
class Picture:
    """An image for the page; width and height in its own pixels, `alt` for those who cannot see it."""

    uri: str
    width: int
    height: int
    alt: str

    @property
    def is_pixelated(self) -> bool:
        return max(self.width, self.height) < PIXELATED_BELOW


def thumbnail(pixels: NDArray[np.uint8], alt: str) -> Picture:
    """The image (H, W, 3), uint8, no larger than MAX_SIDE; a small one exact as PNG, others as JPEG."""
    return _picture(pixels, alt, MAX_SIDE, JPEG_QUALITY)


def large_picture(pixels: NDArray[np.uint8], alt: str) -> Picture:
    """The same, no larger than LARGE_SIDE."""
    return _picture(pixels, alt, LARGE_SIDE, LARGE_QUALITY)


def _picture(pixels: NDArray[np.uint8], alt: str, side: int, quality: int) -> Picture:
    image = Image.fromarray(np.ascontiguousarray(pixels))
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    is_small = max(image.size) < PIXELATED_BELOW
    buffer = io.BytesIO()
    image.save(buffer, "PNG" if is_small else "JPEG", quality=quality, optimize=True)
    media_type = "image/png" if is_small else "image/jpeg"
    return Picture(_data_uri(media_type, buffer.getvalue()), *image.size, alt)


def plot(figure: Any, alt: str) -> Picture:
    """A matplotlib Figure on a transparent ground: SVG, sharp at any zoom, or PNG where that is heavy.

    The two are about equal in size for ten classes; SVG grows with the curves and bars, PNG does not.
    """
    uri = _data_uri("image/svg+xml", _draw(figure, format="svg", metadata={"Date": None}))
    if len(uri) > HEAVY_SVG:
        uri = _data_uri("image/png", _draw(figure, format="png", dpi=PLOT_DPI))
    width, height = (round(float(side) * CSS_DPI) for side in figure.get_size_inches())
    return Picture(uri, width, height, alt)


def _draw(figure: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, facecolor="none", **options)
    return buffer.getvalue()


def _data_uri(media_type: str, data: bytes) -> str:
    return f"data:{media_type};base64,{b64encode(data).decode()}"
