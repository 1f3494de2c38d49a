"""Two decoders, one result; and decoding at a part of the size where nobody can tell."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vision import decoding
from vision.decoding import UPRIGHT, Decoded, decode_image
from vision.errors import ImageError, ImageTooLarge
from vision.preprocessing import DCT_MARGIN, DCT_TOLERANCE, Preprocessing

DATA = Path(__file__).parents[3] / "shared" / "data"


def photo(width: int = 320, height: int = 240, mode: str = "RGB", **options: Any) -> bytes:
    """Smooth colours with some noise, as a camera has."""
    y, x = np.mgrid[:height, :width]
    waves = np.stack([np.sin(x / 17), np.cos(y / 23), np.sin((x + y) / 31)], axis=-1)
    noise = np.random.default_rng(0).normal(0, 4, (height, width, 3))
    pixels = np.clip(127 + 100 * waves + noise, 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, "JPEG", quality=85, **options)
    return buffer.getvalue()


def oriented(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return photo(exif=exif)


def with_before(data: bytes, added: bytes, *, before: bytes = b"\xff\xe1") -> bytes:
    """The bytes before the first segment of a kind."""
    place = data.index(before)
    return data[:place] + added + data[place:]


def xmp(orientation: int) -> bytes:
    return segment(0xE1, b'http://ns.adobe.com/xap/1.0/\0<x tiff:Orientation="%d"/>' % orientation)


def segment(kind: int, content: bytes) -> bytes:
    return bytes((0xFF, kind)) + (len(content) + 2).to_bytes(2) + content


def by_pillow(monkeypatch: pytest.MonkeyPatch, data: bytes, **options: Any) -> Decoded:
    with monkeypatch.context() as patch:
        patch.setattr(decoding, "_decode_jpeg", lambda *_: None)
        return decode_image(data, **options)


JPEGS = {
    "colour": photo(),
    "gray": photo(mode="L"),
    "progressive": photo(progressive=True),
    "4:4:4": photo(subsampling=0),
    "odd sides": photo(101, 67),
    **{f"orientation {number}": oriented(number) for number in (1, *UPRIGHT)},
    "orientation in XMP": with_before(photo(), xmp(6), before=b"\xff\xdb"),
    "behind another picture": with_before(oriented(6), segment(0xE2, photo(40, 30))),
    "behind fill bytes": with_before(oriented(6), b"\xff\xff"),
    "behind an empty segment": with_before(oriented(6), segment(0xFE, b"")),
    "behind a long comment": with_before(oriented(6), segment(0xFE, b" " * 65_533)),
    "behind the pixels": photo() + xmp(6),
}


@pytest.mark.parametrize("at_least", (None, (60, 60), (20, 30)))
@pytest.mark.parametrize("name", JPEGS)
def test_both_decoders_give_the_same_pixels(
    monkeypatch: pytest.MonkeyPatch, name: str, at_least: tuple[int, int] | None
) -> None:
    fast = decode_image(JPEGS[name], at_least=at_least)
    slow = by_pillow(monkeypatch, JPEGS[name], at_least=at_least)
    assert np.array_equal(fast.pixels, slow.pixels)
    assert (fast.format, fast.mode, fast.width, fast.height) == (
        slow.format, slow.mode, slow.width, slow.height,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("at_least", "shape"),
    [
        (None, (240, 320)),
        ((121, 10), (240, 320)),  # half would be 120 rows
        ((120, 160), (120, 160)),
        ((60, 10), (60, 80)),
        ((1, 1), (30, 40)),  # an eighth is the least
    ],
)
def test_a_jpeg_is_decoded_no_smaller_than_asked(
    at_least: tuple[int, int] | None, shape: tuple[int, int]
) -> None:
    decoded = decode_image(photo(), at_least=at_least)
    assert decoded.pixels.shape[:2] == shape
    assert (decoded.height, decoded.width) == (240, 320)


def test_what_is_asked_is_of_the_upright_image() -> None:
    # Stored 240 x 320, upright 320 x 240: 160 rows and 120 columns are half of it.
    assert decode_image(oriented(6), at_least=(160, 120)).pixels.shape[:2] == (160, 120)
    assert decode_image(oriented(6), at_least=(120, 160)).pixels.shape[:2] == (320, 240)


def test_a_jpeg_is_refused_by_its_pixels_before_it_is_decoded() -> None:
    with pytest.raises(ImageTooLarge, match="320 x 240"):
        decode_image(photo(), max_pixels=320 * 240 - 1, at_least=(1, 1))


def test_a_jpeg_with_stray_bytes_is_left_to_pillow() -> None:
    data = photo()
    middle = data.rindex(b"\xff\xd9")
    assert decode_image(data[:middle] + b"stray" + data[middle:]).pixels.shape == (240, 320, 3)
    with pytest.raises(ImageError):
        decode_image(data[: len(data) // 3])


def test_a_transparent_gray_of_sixteen_bits_shows_the_background() -> None:
    values = np.array([[0, 65535]], np.uint16)
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG", transparency=0)
    assert decode_image(buffer.getvalue(), background=(0, 0, 255)).pixels[0].tolist() == [
        [0, 0, 255],
        [255] * 3,
    ]


@pytest.mark.parametrize("resize", ("stretch", "crop", "pad"))
def test_scaled_decoding_stays_within_its_tolerance(resize: Any) -> None:
    small = Preprocessing(image_size=(40, 50), resize=resize)
    whole = small.model_copy(update={"dct_scaling": False})
    difference = np.abs(small.apply(photo()).astype(int) - whole.apply(photo()))
    assert 0 < difference.mean() <= DCT_TOLERANCE


def test_nearest_takes_its_pixels_from_the_whole_image() -> None:
    small = Preprocessing(image_size=(40, 50), interpolation="nearest")
    whole = small.model_copy(update={"dct_scaling": False})
    assert np.array_equal(small.apply(photo()), whole.apply(photo()))


@pytest.mark.slow
@pytest.mark.parametrize("folder", ("flowers", "grocery", "bccd"))
def test_scaled_decoding_of_real_photos_stays_within_its_tolerance(folder: str) -> None:
    files = sorted((DATA / folder).rglob("*.jpg"))[::50]
    if not files:
        pytest.skip(f"the development data {DATA / folder} is not on this machine")
    worst = 0.0
    for side in (32, 64, 112):
        small = Preprocessing(image_size=(side, side))
        whole = small.model_copy(update={"dct_scaling": False})
        for data in (file.read_bytes() for file in files):
            assert min(small.decode(data).pixels.shape[:2]) >= min(
                DCT_MARGIN * side, *whole.decode(data).pixels.shape[:2]
            )
            worst = max(worst, np.abs(small.apply(data).astype(int) - whole.apply(data)).mean())
    assert worst <= DCT_TOLERANCE


@pytest.mark.parametrize("orientation", [1, *UPRIGHT])
@pytest.mark.parametrize("suffix", ["TIFF", "PNG", "WEBP"])
def test_an_image_is_turned_once_whatever_its_format(suffix: str, orientation: int) -> None:
    pixels = np.zeros((20, 30, 3), np.uint8)
    pixels[:5, :8] = 255
    exif, buffer = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    options = {"lossless": True} if suffix == "WEBP" else {}
    Image.fromarray(pixels).save(buffer, suffix, exif=exif, **options)

    decoded = decode_image(buffer.getvalue())

    image = Image.fromarray(pixels)
    expected = image.transpose(UPRIGHT[orientation]) if orientation in UPRIGHT else image
    np.testing.assert_array_equal(decoded.pixels, np.asarray(expected))
