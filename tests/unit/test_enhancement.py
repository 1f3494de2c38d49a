"""Each enhancement does what its name says, and the same for training and service."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vision.enhancement import Enhancement
from vision.preprocessing import Preprocessing

OPTIONS = {"denoise": 10.0, "white_balance": True, "clahe": 2.0, "sharpen": 1.0}


def noisy(mean: tuple[int, int, int] = (120, 120, 120), deviation: float = 15.0) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, deviation, (48, 48, 3))
    return np.clip(np.array(mean) + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("name", OPTIONS)
def test_each_option_keeps_shape_and_type_and_leaves_its_input_alone(name: str) -> None:
    pixels = noisy()
    pixels.setflags(write=False)
    enhanced = Enhancement(**{name: OPTIONS[name]}).apply(pixels)
    assert enhanced.shape == pixels.shape and enhanced.dtype == np.uint8
    assert not np.array_equal(enhanced, pixels)


def test_nothing_is_done_by_default() -> None:
    assert Enhancement().is_off
    assert not any(Enhancement(**{name: value}).is_off for name, value in OPTIONS.items())


def test_denoising_lowers_the_deviation_of_a_flat_image() -> None:
    assert Enhancement(denoise=20).apply(noisy()).std() < noisy().std() / 2


def test_white_balance_gives_the_channels_one_mean() -> None:
    # Means 60, 120, 180: their mean is 120.
    balanced = Enhancement(white_balance=True).apply(noisy((60, 120, 180), deviation=3))
    assert balanced.mean(axis=(0, 1)) == pytest.approx([120] * 3, abs=1)


def test_white_balance_survives_a_black_channel() -> None:
    black = np.zeros((4, 4, 3), np.uint8)
    assert np.array_equal(Enhancement(white_balance=True).apply(black), black)


def test_clahe_widens_the_contrast_of_a_dull_image() -> None:
    dull = np.repeat(np.linspace(110, 130, 48).astype(np.uint8)[None, :, None], 48, 0).repeat(3, 2)
    assert Enhancement(clahe=4).apply(dull).std() > 1.2 * dull.std()


def test_sharpening_steepens_an_edge() -> None:
    edge = np.full((8, 8, 3), 80, np.uint8)
    edge[:, 4:] = 160
    sharp = Enhancement(sharpen=1).apply(edge)[4, :, 0]
    assert sharp[3] < 80 and sharp[4] > 160 and sharp[0] == 80


@pytest.mark.parametrize("name", OPTIONS)
def test_it_comes_after_the_resize_and_is_saved_with_the_rest(name: str) -> None:
    buffer = io.BytesIO()
    Image.fromarray(noisy()).save(buffer, "PNG")
    enhance: Any = {name: OPTIONS[name]}
    plain, enhanced = Preprocessing(image_size=(24, 24)), Preprocessing(image_size=(24, 24), enhance=enhance)
    again = Preprocessing.model_validate_json(enhanced.model_dump_json())
    expected = Enhancement(**enhance).apply(plain.apply(buffer.getvalue()))
    assert np.array_equal(again.apply(buffer.getvalue()), expected)
