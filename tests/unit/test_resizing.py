"""The fast bilinear resize beside Pillow's, and what it leaves to Pillow."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageOps

from vision.resizing import FILTERS, Interpolation, Resize, resize

WHITE = (255, 255, 255)
SIZES = [
    ((375, 500), (224, 224)),
    ((1, 1), (32, 32)),
    ((3, 400), (64, 64)),
    ((224, 224), (223, 225)),
    ((50, 60), (224, 200)),
    ((1500, 900), (112, 96)),
]


def by_pillow(
    pixels: np.ndarray, size: tuple[int, int], how: Resize, interpolation: Interpolation
) -> np.ndarray:
    image, method = Image.fromarray(pixels), FILTERS[interpolation]
    made = {
        "stretch": lambda: image.resize(size[::-1], method),
        "crop": lambda: ImageOps.fit(image, size[::-1], method=method),
        "pad": lambda: ImageOps.pad(image, size[::-1], method=method, color=WHITE),
    }
    return np.asarray(made[how](), dtype=int)


@pytest.mark.parametrize("how", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("shape, size", SIZES)
def test_bilinear_is_within_one_step_of_pillow(
    shape: tuple[int, int], size: tuple[int, int], how: Resize
) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)

    resized = resize(pixels, size, how, "bilinear", background=WHITE)

    assert resized.shape == (*size, 3) and resized.dtype == np.uint8
    assert np.abs(resized.astype(int) - by_pillow(pixels, size, how, "bilinear")).max() <= 1


@pytest.mark.parametrize("interpolation", ["nearest", "bicubic", "lanczos"])
def test_other_filters_are_pillows(interpolation: Interpolation) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (37, 53, 3), dtype=np.uint8)

    resized = resize(pixels, (20, 24), "crop", interpolation, background=WHITE)

    np.testing.assert_array_equal(resized, by_pillow(pixels, (20, 24), "crop", interpolation))


def test_pixels_that_are_not_contiguous_are_resized_as_they_look() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (40, 60, 3), dtype=np.uint8)

    mirrored = resize(pixels[:, ::-1], (16, 16), "stretch", "bilinear", background=WHITE)

    expected = resize(pixels, (16, 16), "stretch", "bilinear", background=WHITE)[:, ::-1]
    assert np.abs(mirrored.astype(int) - expected.astype(int)).max() <= 1
