"""Encoded bytes -> uint8 pixels (H, W, 3) of the model's size: the one definition, saved with every model.

Training, evaluation, batch prediction and the service all call `Preprocessing.apply`; nothing
else in Sightline decodes or resizes an image. Scaling to the network's range is the first layer of
each architecture, so pixels stay 0..255 until there.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from vision.decoding import (
    DEFAULT_MAX_PIXELS,
    PILLOW_MAX_PIXELS,
    WHITE,
    Decoded,
    Pixels,
    decode_image,
)
from vision.enhancement import Enhancement
from vision.resizing import Interpolation, Resize, resize

Channel = Annotated[int, Field(ge=0, le=255)]
Side = Annotated[int, Field(ge=1, le=4096)]

# A JPEG may be decoded smaller (DCT scaling) while it keeps this many times the model's height and width.
# Over three sets of photos and sides of 32, 64 and 112 pixels the mean difference of an image from whole
# decoding is 0.3 of 255 in the median and 1.6 at worst (tests/unit/test_decoding.py); at 1 it would be 4.
DCT_MARGIN = 2
DCT_TOLERANCE = 2.0


class Preprocessing(BaseModel):
    """Geometry of a model's input. Two equal values give equal pixels for equal bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    image_size: tuple[Side, Side] = Field((224, 224), description="height and width in pixels")
    resize: Resize = Field(
        "stretch", description="stretch to the size, cut the longer side, or pad the shorter one"
    )
    interpolation: Interpolation = Field(
        "bilinear", description="the filter of that name, as Pillow computes it: antialiased when shrinking"
    )
    dct_scaling: bool = Field(
        True, description="decode large JPEGs at 1/2, 1/4 or 1/8 of their size, at least twice image_size"
    )
    background: tuple[Channel, Channel, Channel] = Field(
        WHITE, description="RGB 0..255 under transparent pixels and in padding"
    )
    max_pixels: int = Field(
        DEFAULT_MAX_PIXELS, ge=1, le=PILLOW_MAX_PIXELS, description="images of more pixels are refused"
    )
    enhance: Enhancement = Enhancement()

    def apply(self, data: bytes) -> Pixels:
        """Pixels (H, W, 3), uint8 0..255, of one encoded image; errors as decode_image."""
        return self.fit(self.decode(data).pixels)

    def decode(self, data: bytes) -> Decoded:
        """The upright image, no smaller than `fit` needs it; errors as decode_image."""
        height, width = self.image_size
        # Nearest takes single pixels: from a smaller image it would take others.
        scales = self.dct_scaling and self.interpolation != "nearest"
        return decode_image(
            data,
            max_pixels=self.max_pixels,
            background=self.background,
            at_least=(DCT_MARGIN * height, DCT_MARGIN * width) if scales else None,
        )

    def fit(self, pixels: Pixels) -> Pixels:
        """Pixels (H, W, 3), uint8 0..255, of the model's size, enhanced."""
        return self._resize(pixels) if self.enhance.is_off else self.enhance.apply(self._resize(pixels))

    def _resize(self, pixels: Pixels) -> Pixels:
        if pixels.shape[:2] == self.image_size:
            return pixels
        return resize(pixels, self.image_size, self.resize, self.interpolation, background=self.background)
