"""A map back onto an image: the prepared one, or the original at its own resolution, the right way up."""

from __future__ import annotations

from math import ceil, floor

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from vision.decoding import Pixels, Size, decode_image
from vision.preprocessing import Preprocessing

Map = NDArray[np.float32]  # (H, W), 0..1
Region = tuple[slice, slice]  # rows and columns


def overlay(image: Pixels, activation: Map) -> Pixels:
    """The image (H, W, 3), uint8, with its map (H, W) laid over it: dark purple low, yellow high.

    The image shows through more where the map is low, so that what did not matter stays recognisable, and
    is untouched where the map is NaN: what the model was not shown.
    """
    from matplotlib import colormaps

    is_seen = ~np.isnan(activation)[..., None]
    known = np.nan_to_num(activation)
    heat = colormaps["inferno"](known)[..., :3] * 255
    opacity = is_seen * (0.25 + 0.4 * known[..., None])
    mixed: Pixels = (image * (1 - opacity) + heat * opacity).round().astype(np.uint8)
    return mixed


def overlay_original(
    data: bytes, activation: Map, preprocessing: Preprocessing, *, max_side: int | None = None
) -> Pixels:
    """The encoded image (H, W, 3), uint8, with the map of its prepared image laid over it.

    At the resolution of the file, or no more than `max_side` pixels a side. Errors as decode_image.
    """
    image = original_image(data, preprocessing, max_side=max_side)
    return overlay(image, place_on_original(activation, image.shape[:2], preprocessing))


def original_image(data: bytes, preprocessing: Preprocessing, *, max_side: int | None = None) -> Pixels:
    """The encoded image (H, W, 3), uint8, upright and whole, as `preprocessing` meets it before resizing."""
    pixels = decode_image(
        data, max_pixels=preprocessing.max_pixels, background=preprocessing.background
    ).pixels
    if max_side is None or max(pixels.shape[:2]) <= max_side:
        return pixels
    image = Image.fromarray(pixels)
    return np.asarray(ImageOps.contain(image, (max_side, max_side), Image.Resampling.LANCZOS))


def place_on_original(activation: Map, size: Size, preprocessing: Preprocessing) -> Map:
    """The map (h, w) of a prepared image for the original of that height and width, by undoing the resize.

    NaN where the model was not shown the original; what lies on padding is left out.
    """
    if preprocessing.resize == "stretch":
        return enlarge(activation, size)
    placed = np.full(size, np.nan, np.float32)
    if preprocessing.resize == "crop":
        rows, columns = _cropped(size, activation.shape)
        placed[rows, columns] = enlarge(activation, placed[rows, columns].shape)
        return placed
    rows, columns = _padded(size, activation.shape)
    inside = activation[rows, columns]  # cut out first: resizing a box would mix in what lies around it
    return enlarge(inside, size) if inside.size else placed


def enlarge(activation: Map, size: tuple[int, ...]) -> Map:
    """The map resized to a height and width; bilinear."""
    height, width = size
    image = Image.fromarray(activation.astype(np.float32))
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR), dtype=np.float32)


def _cropped(size: Size, prepared: tuple[int, ...]) -> Region:
    """What of the original ImageOps.fit keeps: the largest region of those proportions."""
    scale = min(outer / inner for outer, inner in zip(size, prepared, strict=True))
    margins = [max(0.0, outer - scale * inner) / 2 for outer, inner in zip(size, prepared, strict=True)]
    rows, columns = (
        slice(floor(margin), ceil(outer - margin)) for margin, outer in zip(margins, size, strict=True)
    )
    return rows, columns


def _padded(size: Size, prepared: tuple[int, ...]) -> Region:
    """Where ImageOps.pad puts an image of that size, its rounding included; empty where nothing is left."""
    height, width = prepared
    white = Image.new("L", size[::-1], 255)
    padded = ImageOps.pad(white, (width, height), Image.Resampling.NEAREST, color=0)
    left, top, right, bottom = padded.getbbox() or (0, 0, 0, 0)
    return slice(top, bottom), slice(left, right)
