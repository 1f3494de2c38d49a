"""Encoded bytes -> uint8 pixels (H, W, 3): the one definition, saved with every model.

Training, evaluation, batch prediction and the service all call `Preprocessing.apply`; nothing
else in Sightline decodes or resizes an image. Scaling to the network's range is the first layer of
each architecture, so pixels stay 0..255 until there.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from pydantic import BaseModel, ConfigDict, Field

from vision.errors import ImageError, ImageTooLarge

Pixels = NDArray[np.uint8]
Channel = Annotated[int, Field(ge=0, le=255)]
Side = Annotated[int, Field(ge=1, le=4096)]

INTERPOLATIONS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
# What is promised; anything else that Pillow can open (PostScript, PDF ...) is refused unopened.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
# Above this Pillow itself refuses (twice Image.MAX_IMAGE_PIXELS), whatever we would allow.
PILLOW_MAX_PIXELS = 178_956_970
# EXIF 2.32, table 6: what turns an image stored with this orientation upright; 1 needs nothing.
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class Preprocessing(BaseModel):
    """Geometry of a model's input. Two equal values give equal pixels for equal bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    image_size: tuple[Side, Side] = Field((224, 224), description="height and width in pixels")
    resize: Literal["stretch", "crop", "pad"] = Field(
        "stretch", description="stretch to the size, cut the longer side, or pad the shorter one"
    )
    interpolation: Literal["nearest", "bilinear", "bicubic", "lanczos"] = Field(
        "bilinear", description="Pillow's filter of that name, antialiased when shrinking"
    )
    background: tuple[Channel, Channel, Channel] = Field(
        (255, 255, 255), description="RGB 0..255 under transparent pixels and in padding"
    )
    max_pixels: int = Field(
        64_000_000, ge=1, le=PILLOW_MAX_PIXELS, description="images of more pixels are refused"
    )

    def apply(self, data: bytes) -> Pixels:
        """Pixels (H, W, 3), uint8 0..255, of one encoded image.

        Raises ImageError when the bytes are not an image of FORMATS or are cut short, and
        ImageTooLarge when it has more than `max_pixels`.
        """
        return self.fit(decode_image(data, self.max_pixels, self.background))

    def fit(self, image: Image.Image) -> Pixels:
        """Pixels (H, W, 3), uint8 0..255, of a decoded RGB image."""
        height, width = self.image_size
        method = INTERPOLATIONS[self.interpolation]
        if image.size == (width, height):
            return np.asarray(image)
        if self.resize == "crop":
            fitted = ImageOps.fit(image, (width, height), method=method)
        elif self.resize == "pad":
            fitted = ImageOps.pad(image, (width, height), method=method, color=self.background)
        else:
            fitted = image.resize((width, height), method)
        return np.asarray(fitted)


def decode_image(
    data: bytes,
    max_pixels: int = Preprocessing.model_fields["max_pixels"].default,
    background: tuple[int, int, int] = (255, 255, 255),
) -> Image.Image:
    """Upright RGB image: first frame, EXIF orientation applied, 16 bits scaled, alpha flattened."""
    if not data:
        raise ImageError("empty image: received 0 bytes; send the bytes of an image file")
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _refuse_size(image.size, max_pixels)
            image.load()
            return _to_rgb(_upright(image), background)
    except ImageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageTooLarge(f"image refused: {error}") from error
    except UnidentifiedImageError as error:  # its own text holds an address, different in each run
        raise _unreadable("none of the allowed formats", data) from error
    except Exception as error:  # Pillow's plugins raise OSError, SyntaxError, struct.error, ...
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise _unreadable(reason, data) from error


@dataclass(frozen=True)
class Header:
    """What a file says of its pixels: Pillow's names, and the size as stored, before EXIF turns it."""

    format: str
    mode: str
    width: int
    height: int


def read_header(data: bytes) -> Header:
    """The header of an image that decode_image accepts; no pixel is decoded."""
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        return Header(image.format or "", image.mode, *image.size)


def _unreadable(reason: str, data: bytes) -> ImageError:
    return ImageError(
        f"not a readable image ({reason}): received {len(data)} bytes;"
        f" allowed are whole files of {', '.join(FORMATS)}"
    )


def _refuse_size(size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if not width * height:
        raise ImageError(f"image of {width} x {height} pixels: at least 1 x 1 is needed")
    if width * height > max_pixels:
        raise ImageTooLarge(
            f"image of {width} x {height} pixels: at most {max_pixels} are allowed;"
            " set config.prepare.max_pixels in the YAML"
        )


def _upright(image: Image.Image) -> Image.Image:
    # Not ImageOps.exif_transpose: it writes the EXIF block anew, and where another tag of it is broken
    # that fails and the image would stay on its side. It also copies images that need no turning.
    try:
        method = UPRIGHT.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # a broken EXIF block says nothing about the pixels
        return image
    return image if method is None else image.transpose(method)


def _to_rgb(image: Image.Image, background: tuple[int, int, int]) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        image = _to_eight_bits(image)
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        layer = image.convert("RGBA")
        canvas = Image.new("RGBA", layer.size, (*background, 255))
        return Image.alpha_composite(canvas, layer).convert("RGB")
    return image.convert("RGB")


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Gray image of 8 bits: integers are taken as 16-bit (0..65535), floats as 0..255."""
    values = np.asarray(image)
    scaled = np.nan_to_num(values) if image.mode == "F" else values // 257
    return Image.fromarray(np.clip(scaled, 0, 255).astype(np.uint8))
