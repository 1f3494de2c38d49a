"""Bytes that were an image once: they are decoded or refused, and nothing else happens."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from vision.decoding import decode_image
from vision.errors import ImageError
from vision.golden import hostile_images

MAX_PIXELS = 20_000
LONG_RUN = 5_000


def encoded(format_name: str, mode: str = "RGB", **options: object) -> bytes:
    pixels = np.random.default_rng(7).integers(0, 256, (24, 17, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, format_name, **options)
    return buffer.getvalue()


SEEDS = {
    **{name: data for name, data in hostile_images(seed=7).items() if len(data) < 50_000},
    **{name.lower(): encoded(name) for name in ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")},
    "progressive.jpg": encoded("JPEG", progressive=True),
    "lzw.tif": encoded("TIFF", compression="tiff_lzw"),
    "animated.gif": encoded("GIF", "P", save_all=True, append_images=[Image.new("P", (17, 24))]),
    "one_bit.png": encoded("PNG", "1"),
}  # fmt: skip


@st.composite
def damaged(draw: Callable[..., object]) -> bytes:
    """An image with some bytes changed, taken out or put in, or cut short."""
    data = bytearray(SEEDS[draw(st.sampled_from(sorted(SEEDS)))])
    for _ in range(draw(st.integers(1, 4))):
        # Half of the damage hits the head, where the sizes and the offsets stand.
        at = draw(st.one_of(st.integers(0, min(64, len(data))), st.integers(0, len(data))))
        removed = draw(st.integers(0, 8))
        data[at : at + removed] = draw(st.one_of(st.binary(max_size=8), st.just(b"\xff\xff\xff\xff")))
    if draw(st.booleans()):
        del data[draw(st.integers(0, len(data))) :]
    return bytes(data)


def check(data: bytes, at_least: tuple[int, int] | None) -> None:
    try:
        decoded = decode_image(data, max_pixels=MAX_PIXELS, at_least=at_least)
    except ImageError as refusal:
        assert str(refusal)
        return
    height, width, channels = decoded.pixels.shape
    assert (decoded.pixels.dtype, channels) == (np.uint8, 3)
    assert 0 < height * width <= MAX_PIXELS


SIDES = st.one_of(st.none(), st.just((8, 8)))


@given(data=damaged(), at_least=SIDES)
@settings(derandomize=True, deadline=None, max_examples=300)
def test_a_damaged_image_is_decoded_or_refused(data, at_least) -> None:
    check(data, at_least)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@given(data=damaged(), at_least=SIDES)
@settings(deadline=None, max_examples=LONG_RUN)
def test_many_damaged_images_are_decoded_or_refused(data, at_least) -> None:
    check(data, at_least)


@given(data=st.binary(max_size=200))
@settings(derandomize=True, deadline=None)
def test_any_bytes_are_decoded_or_refused(data) -> None:
    check(data, None)


@pytest.mark.parametrize("name", SEEDS)
def test_every_beginning_of_an_image_is_decoded_or_refused(name) -> None:
    data = SEEDS[name]
    for length in range(0, len(data), max(1, len(data) // 50)):
        check(data[:length], None)
