"""Encoded bytes -> upright RGB pixels; nothing else in Sightline decodes an image (glance reads headers).

Ordinary JPEGs go straight to libjpeg-turbo (simplejpeg); every other file, and a JPEG that libjpeg-turbo
has something to say about, goes to Pillow. Both give the same pixels for the same JPEG, bit for bit.
"""

from __future__ import annotations

import io
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError
from simplejpeg import decode_jpeg, decode_jpeg_header

from vision.errors import ImageError, ImageTooLarge

Pixels = NDArray[np.uint8]
Size = tuple[int, int]  # height and width in pixels

# What is promised; anything else that Pillow can open (PostScript, PDF ...) is refused unopened.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
# Above this Pillow itself refuses (twice Image.MAX_IMAGE_PIXELS), whatever we would allow.
PILLOW_MAX_PIXELS = 178_956_970
DEFAULT_MAX_PIXELS = 64_000_000
WHITE = (255, 255, 255)
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
SIDEWAYS = (5, 6, 7, 8)
JPEG_START = b"\xff\xd8\xff"
# Where neither stands, no orientation does (Pillow reads it from EXIF, and from XMP's tiff:Orientation).
EXIF_MARK, XMP_MARK = b"Exif\0\0", b"tiff:Orientation"
# What a JPEG consists of before its pixels (ITU T.81, B.1): 0xFF, a kind, and but for some kinds a length.
SEGMENT, START_OF_SCAN = 0xFF, 0xDA
WITHOUT_LENGTH = frozenset({0x00, 0x01, *range(0xD0, 0xDA), 0xFF})
# libjpeg scales by these while decoding; the other eighths that it knows Pillow does not use.
DCT_SCALES = (8, 4, 2)


class Decoded(NamedTuple):
    """Upright pixels (H, W, 3), uint8 0..255, and what the file says of them.

    `format` and `mode` are Pillow's names; `width` and `height` are as stored, before EXIF turns them and
    before DCT scaling.
    """

    pixels: Pixels
    format: str
    mode: str
    width: int
    height: int


def decode_image(
    data: bytes,
    *,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    background: tuple[int, int, int] = WHITE,
    at_least: Size | None = None,
) -> Decoded:
    """First frame, EXIF orientation applied, 16 bits scaled to 8, alpha laid over `background`.

    With `at_least`, a JPEG may be decoded at 1/2, 1/4 or 1/8 of its size, as long as the upright image
    keeps that height and width. ImageError when the bytes are no image of FORMATS or are cut short,
    ImageTooLarge when it has more than `max_pixels`.
    """
    if not data:
        raise ImageError("empty image: received 0 bytes; send the bytes of an image file")
    try:
        ordinary = _decode_jpeg(data, max_pixels, at_least) if data.startswith(JPEG_START) else None
        return ordinary or _decode_any(data, max_pixels, background, at_least)
    except ImageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageTooLarge(f"image refused: {error}") from error
    except UnidentifiedImageError as error:  # its own text holds an address, different in each run
        raise _unreadable("none of the allowed formats", data) from error
    except Exception as error:  # Pillow's plugins raise OSError, SyntaxError, struct.error, ...
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise _unreadable(reason, data) from error


def _decode_jpeg(data: bytes, max_pixels: int, at_least: Size | None) -> Decoded | None:
    """None where Pillow has to look: inks instead of light, or anything that libjpeg-turbo warns of."""
    try:
        height, width, colours, _ = decode_jpeg_header(data)
        if colours not in ("YCbCr", "Gray"):
            return None
        refuse_size((width, height), max_pixels)
        orientation = _jpeg_orientation(data)
        scale = _dct_scale(height, width, orientation, at_least)
        floor = {"min_height": height // scale, "min_width": width // scale} if scale > 1 else {}
        pixels = decode_jpeg(data, colorspace="RGB", **floor)
    except ValueError:
        return None
    if orientation in UPRIGHT:
        pixels = np.asarray(Image.fromarray(pixels).transpose(UPRIGHT[orientation]))
    return Decoded(pixels, "JPEG", "L" if colours == "Gray" else "RGB", width, height)


def _jpeg_orientation(data: bytes) -> int:
    end = _first_scan(data)
    if data.find(EXIF_MARK, 0, end) < 0 and data.find(XMP_MARK, 0, end) < 0:
        return 1
    with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
        return _orientation(image)


def _first_scan(data: bytes) -> int:
    """Where a JPEG's pixels begin, behind which nobody looks for metadata; its end if its head is strange."""
    place = 2
    while place + 4 <= len(data) and data[place] == SEGMENT and data[place + 1] not in WITHOUT_LENGTH:
        if data[place + 1] == START_OF_SCAN:
            return place
        place += 2 + int.from_bytes(data[place + 2 : place + 4])
    return len(data)


def _decode_any(
    data: bytes, max_pixels: int, background: tuple[int, int, int], at_least: Size | None
) -> Decoded:
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        width, height = image.size
        refuse_size((width, height), max_pixels)
        mode, orientation = image.mode, _orientation(image)
        scale = _dct_scale(height, width, orientation, at_least)
        if scale > 1:
            image.draft("", (width // scale, height // scale))  # does nothing where the format cannot
        image.load()
        orientation = _orientation(image)  # again: Pillow turns a TIFF itself when it loads it
        upright = image.transpose(UPRIGHT[orientation]) if orientation in UPRIGHT else image
        pixels = np.asarray(_to_rgb(upright, background))
        return Decoded(pixels, image.format or "", mode, width, height)


def _dct_scale(height: int, width: int, orientation: int, at_least: Size | None) -> int:
    """8, 4, 2, or 1 for the whole size."""
    if at_least is None:
        return 1
    rows, columns = reversed(at_least) if orientation in SIDEWAYS else at_least
    fitting = (scale for scale in DCT_SCALES if height // scale >= rows and width // scale >= columns)
    return next(fitting, 1)


def _unreadable(reason: str, data: bytes) -> ImageError:
    return ImageError(
        f"not a readable image ({reason}): received {len(data)} bytes;"
        f" allowed are whole files of {', '.join(FORMATS)}"
    )


def refuse_size(size: tuple[int, int], max_pixels: int) -> None:
    """Returns for a (width, height) that may be decoded; ImageError or ImageTooLarge."""
    width, height = size
    if not width * height:
        raise ImageError(f"image of {width} x {height} pixels: at least 1 x 1 is needed")
    if width * height > max_pixels:
        raise ImageTooLarge(
            f"image of {width} x {height} pixels: at most {max_pixels} are allowed;"
            " set config.prepare.max_pixels in the YAML"
        )


def _orientation(image: Image.Image) -> int:
    # Not ImageOps.exif_transpose: it writes the EXIF block anew, and where another tag of it is broken
    # that fails and the image would stay on its side. It also copies images that need no turning.
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # a broken EXIF block says nothing about the pixels
        return 1


def _to_rgb(image: Image.Image, background: tuple[int, int, int]) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        image = _to_eight_bits(image)
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        layer = image.convert("RGBA")
        canvas = Image.new("RGBA", layer.size, (*background, 255))
        return Image.alpha_composite(canvas, layer).convert("RGB")
    return image.convert("RGB")


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Gray image of 8 bits: integers are taken as 16-bit (0..65535), floats as 0..255.

    A 16-bit colour that stands for transparency is scaled with the pixels.
    """
    values = np.asarray(image)
    scaled = np.nan_to_num(values) if image.mode == "F" else values // 257
    gray = Image.fromarray(np.clip(scaled, 0, 255).astype(np.uint8))
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        gray.putalpha(Image.fromarray(np.where(values == clear, 0, 255).astype(np.uint8)))
    return gray
