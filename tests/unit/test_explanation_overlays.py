"""Maps lie over the original where the prepared image was, whatever resizing and EXIF did to it."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from vision.decoding import UPRIGHT
from vision.errors import ImageError
from vision.explanation import original_image, overlay, overlay_original, place_on_original
from vision.preprocessing import Preprocessing

RESIZES = ("stretch", "crop", "pad")


def ramps(height: int, width: int) -> Image.Image:
    """Brighter to the right and to the bottom, by different steps: no two places are alike."""
    rows, columns = np.mgrid[0:height, 0:width]
    values = 60 + 60 * rows / height + 120 * columns / width
    return Image.fromarray(np.repeat(values[..., None].round().astype(np.uint8), 3, axis=2))


def encode(image: Image.Image, orientation: int = 1) -> bytes:
    exif, buffer = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    image.save(buffer, "PNG", exif=exif)
    return buffer.getvalue()


@pytest.mark.parametrize("image_size", [(32, 32), (24, 40), (40, 24)])
@pytest.mark.parametrize("size", [(90, 60), (60, 90), (20, 20), (200, 33)])
@pytest.mark.parametrize("resize", RESIZES)
def test_prepared_image_as_its_own_map_lies_over_the_original(resize, size, image_size) -> None:
    preprocessing = Preprocessing(image_size=image_size, resize=resize, background=(0, 0, 0))
    data = encode(ramps(*size))
    activation = preprocessing.apply(data)[..., 0] / np.float32(255)
    placed = place_on_original(activation, size, preprocessing)
    differences = np.abs(placed - original_image(data, preprocessing)[..., 0] / 255)
    assert placed.shape == size
    assert np.nanmedian(differences) < 0.01
    assert np.nanquantile(differences, 0.95) < 0.08  # half a cell of 4; of padding 0.2


@pytest.mark.parametrize("resize", RESIZES)
def test_only_what_a_crop_cuts_off_was_not_seen(resize) -> None:
    preprocessing = Preprocessing(image_size=(10, 10), resize=resize)
    placed = place_on_original(np.ones((10, 10), np.float32), (20, 60), preprocessing)
    seen = ~np.isnan(placed)
    assert seen[:, 20:40].all()
    assert seen.sum() == (20 * 20 if resize == "crop" else 20 * 60)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_original_is_upright(orientation: int) -> None:
    stored = ramps(30, 50)
    upright = np.asarray(stored.transpose(UPRIGHT[orientation]) if orientation in UPRIGHT else stored)
    preprocessing = Preprocessing(image_size=(8, 8))
    data = encode(stored, orientation)
    assert np.array_equal(original_image(data, preprocessing), upright)
    assert overlay_original(data, np.zeros((8, 8), np.float32), preprocessing).shape == upright.shape


def test_map_turns_with_the_image() -> None:
    """Stored on its side: what is at the stored image's top right is at the upright image's bottom right."""
    stored = np.zeros((40, 80, 3), np.uint8)
    stored[:10, 70:] = 255
    data = encode(Image.fromarray(stored), orientation=6)
    preprocessing = Preprocessing(image_size=(16, 16))
    activation = preprocessing.apply(data)[..., 0] / np.float32(255)
    lit = overlay_original(data, activation, preprocessing)
    assert lit.shape == (80, 40, 3)
    assert lit[75, 35].sum() > 2 * lit[75, 5].sum()
    assert np.unravel_index(lit.sum(axis=2).argmax(), (80, 40)) >= (70, 30)


@pytest.mark.parametrize(
    ("size", "limit", "expected"), [((300, 200), 150, (150, 100)), ((30, 20), 150, (30, 20))]
)
def test_overlay_is_no_larger_than_asked_for(size, limit, expected) -> None:
    preprocessing = Preprocessing(image_size=(8, 8), resize="crop")
    lit = overlay_original(encode(ramps(*size)), np.ones((8, 8), np.float32), preprocessing, max_side=limit)
    assert lit.shape == (*expected, 3)


@pytest.mark.parametrize("resize", RESIZES)
@pytest.mark.parametrize("size", [(1, 1), (1, 900), (900, 1), (2, 3)])
def test_extreme_shapes_have_an_overlay(resize, size) -> None:
    preprocessing = Preprocessing(image_size=(8, 6), resize=resize)
    lit = overlay_original(encode(ramps(*size)), np.ones((8, 6), np.float32), preprocessing)
    assert lit.shape == (*size, 3)


def test_bytes_that_are_no_image_are_refused() -> None:
    with pytest.raises(ImageError):
        overlay_original(b"no image", np.ones((8, 8), np.float32), Preprocessing(image_size=(8, 8)))


def test_overlay_lights_up_where_the_map_is_high() -> None:
    image, activation = np.full((4, 4, 3), 128, np.uint8), np.zeros((4, 4), np.float32)
    activation[1, 2], activation[3, 3] = 1, np.nan
    mixed = overlay(image, activation)
    assert (mixed.dtype, mixed.shape) == (np.uint8, (4, 4, 3))
    assert mixed[1, 2].sum() > mixed[0, 0].sum()
    assert mixed[3, 3].tolist() == [128, 128, 128]  # the model was not shown it
