"""Bytes to pixels: every kind of file that users have, with pixels worked out by hand."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vision.decoding import PILLOW_MAX_PIXELS, decode_image
from vision.errors import ImageError, ImageTooLarge
from vision.preprocessing import Preprocessing

DATA = Path(__file__).parents[3] / "shared" / "data"
# 2 rows, 3 columns: 1 2 3 / 4 5 6. Times 40 they survive as gray values.
STORED = np.array([[1, 2, 3], [4, 5, 6]], np.uint8)
RED, BLUE, WHITE = (255, 0, 0), (0, 0, 255), (255, 255, 255)


def encode(image: Image.Image, file_format: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def pixel(data: bytes, background: tuple[int, int, int] = WHITE) -> tuple[int, ...]:
    return tuple(map(int, decode_image(data, background=background).pixels[0, 0]))


# EXIF 2.32: where row 0 and column 0 of the stored image are on the upright one.
UPRIGHT = {
    1: [[1, 2, 3], [4, 5, 6]],  # top, left
    2: [[3, 2, 1], [6, 5, 4]],  # top, right
    3: [[6, 5, 4], [3, 2, 1]],  # bottom, right
    4: [[4, 5, 6], [1, 2, 3]],  # bottom, left
    5: [[1, 4], [2, 5], [3, 6]],  # left, top
    6: [[4, 1], [5, 2], [6, 3]],  # right, top
    7: [[6, 3], [5, 2], [4, 1]],  # right, bottom
    8: [[3, 6], [2, 5], [1, 4]],  # left, bottom
}


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_decode_turns_every_exif_orientation_upright(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(Image.fromarray(STORED * 40), exif=exif)
    upright = decode_image(data).pixels[:, :, 0] // 40
    assert upright.tolist() == UPRIGHT[orientation]


@pytest.mark.parametrize("orientation", (0, 9))
def test_decode_takes_an_unknown_orientation_as_upright(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert decode_image(encode(Image.fromarray(STORED), exif=exif)).pixels.shape == (2, 3, 3)


def test_decode_turns_an_image_whose_other_exif_tags_cannot_be_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encode(Image.fromarray(STORED), exif=exif)
    monkeypatch.setattr(Image.Exif, "tobytes", lambda *_: 1 / 0)
    assert decode_image(data).pixels.shape == (3, 2, 3)


def test_decode_scales_sixteen_bits_to_eight() -> None:
    values = np.array([[0, 257, 128 * 257, 65535]], np.uint16)
    for file_format in ("PNG", "TIFF"):
        gray = decode_image(encode(Image.fromarray(values), file_format)).pixels
        assert gray[0].tolist() == [[0] * 3, [1] * 3, [128] * 3, [255] * 3]


def test_decode_takes_floats_as_0_to_255() -> None:
    values = np.array([[-5.0, 7.9, 300.0, np.nan]], np.float32)
    assert decode_image(encode(Image.fromarray(values), "TIFF")).pixels[0, :, 0].tolist() == [
        0,
        7,
        255,
        0,
    ]


@pytest.mark.parametrize(("mode", "value"), [("L", 100), ("1", 255)])
def test_decode_repeats_gray_in_three_channels(mode: str, value: int) -> None:
    assert pixel(encode(Image.new(mode, (2, 2), value))) == (value, value, value)


def test_decode_converts_cmyk() -> None:
    # No ink is white; full magenta and yellow is red. JPEG is exact on flat areas to 2 of 255.
    assert pixel(encode(Image.new("CMYK", (8, 8), (0, 0, 0, 0)), "JPEG")) == pytest.approx(WHITE, abs=2)
    red = encode(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=100)
    assert pixel(red) == pytest.approx(RED, abs=2)


def test_decode_lays_alpha_over_the_background() -> None:
    # 51/255 = 0.2 of black over white: 0.8 * 255 = 204. Clear pixels show the background alone.
    assert pixel(encode(Image.new("RGBA", (2, 2), (0, 0, 0, 51)))) == (204, 204, 204)
    assert pixel(encode(Image.new("RGBA", (2, 2), (9, 9, 9, 0))), BLUE) == BLUE
    assert pixel(encode(Image.new("LA", (2, 2), (0, 51)))) == (204, 204, 204)


@pytest.mark.parametrize("mode", ("P", "RGB", "L", "1"))
def test_decode_lays_a_transparent_colour_over_the_background(mode: str) -> None:
    image, clear = Image.new(mode, (2, 2)), (0, 0, 0) if mode == "RGB" else 0
    assert pixel(encode(image, transparency=clear), BLUE) == BLUE


def test_decode_reads_a_palette() -> None:
    image = Image.new("P", (2, 2), 1)
    image.putpalette([0, 0, 0, *RED])
    assert pixel(encode(image)) == RED


@pytest.mark.parametrize("file_format", ("GIF", "TIFF", "PNG", "WEBP"))
def test_decode_takes_the_first_frame(file_format: str) -> None:
    first, second = Image.new("RGB", (8, 8), RED), Image.new("RGB", (8, 8), BLUE)
    data = encode(first, file_format, save_all=True, append_images=[second])
    assert pixel(data) == pytest.approx(RED, abs=3)


@pytest.mark.parametrize("file_format", ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF"))
def test_header_says_format_and_stored_size(file_format: str) -> None:
    header = decode_image(encode(Image.new("RGB", (5, 4)), file_format))
    assert (header.format, header.width, header.height) == (file_format, 5, 4)


@pytest.mark.parametrize("file_format", ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF"))
def test_decode_refuses_a_truncated_file(file_format: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    data = encode(Image.fromarray(noise), file_format)
    with pytest.raises(ImageError, match="not a readable image"):
        decode_image(data[: len(data) // 2])


@pytest.mark.parametrize("data", (b"hello", b"%PDF-1.4", b"%!PS-Adobe-3.0 EPSF-3.0\n", b"\x89PNG\r\n\x1a\n"))
def test_decode_refuses_what_is_no_image_in_the_same_words_each_time(data: bytes) -> None:
    messages = set()
    for _ in range(3):
        with pytest.raises(ImageError, match=f"received {len(data)} bytes") as caught:
            decode_image(data)
        messages.add(str(caught.value))
    assert len(messages) == 1


def test_decode_refuses_no_bytes() -> None:
    with pytest.raises(ImageError, match="0 bytes"):
        decode_image(b"")


def test_decode_refuses_too_many_pixels_before_decoding() -> None:
    data = encode(Image.new("1", (101, 100)))
    assert decode_image(data, max_pixels=10_100).pixels.shape == (100, 101, 3)
    with pytest.raises(ImageTooLarge, match="101 x 100 pixels: at most 10099"):
        decode_image(data, max_pixels=10_099)


def test_decode_refuses_a_bomb_that_pillow_itself_refuses() -> None:
    # A GIF's header of 65535 x 65535 and not one pixel.
    with pytest.raises(ImageTooLarge):
        decode_image(
            b"GIF89a\xff\xff\xff\xff\x00\x00\x00,\x00\x00\x00\x00\xff\xff\xff\xff\x00\x02\x02D\x01\x00;"
        )


def test_max_pixels_cannot_exceed_pillows() -> None:
    assert Image.MAX_IMAGE_PIXELS is not None
    assert 2 * Image.MAX_IMAGE_PIXELS == PILLOW_MAX_PIXELS
    with pytest.raises(ValueError, match="max_pixels"):
        Preprocessing(max_pixels=PILLOW_MAX_PIXELS + 1)


def halves(height: int, width: int) -> bytes:
    """Left half black, right half white."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, width // 2 :] = 255
    return encode(Image.fromarray(pixels))


def test_stretch_uses_the_whole_image() -> None:
    pixels = Preprocessing(image_size=(2, 2), interpolation="nearest").apply(halves(4, 8))
    assert pixels[:, :, 0].tolist() == [[0, 255], [0, 255]]


def test_bilinear_averages_what_it_shrinks() -> None:
    # Antialiased to one pixel: half black, half white, 127.5.
    assert int(Preprocessing(image_size=(1, 1)).apply(halves(4, 4))[0, 0, 0]) in (127, 128)


def test_crop_cuts_the_longer_side_in_the_middle() -> None:
    pixels = np.repeat(np.array([[10, 20, 30, 40]], np.uint8), 2, axis=0)
    cropped = Preprocessing(image_size=(2, 2), resize="crop", interpolation="nearest").apply(
        encode(Image.fromarray(pixels))
    )
    assert cropped[:, :, 0].tolist() == [[20, 30], [20, 30]]


def test_pad_fills_with_the_background() -> None:
    prepare = Preprocessing(image_size=(4, 4), resize="pad", interpolation="nearest", background=BLUE)
    pixels = prepare.apply(encode(Image.new("RGB", (4, 2), RED)))
    assert pixels[:, 0].tolist() == [list(BLUE), list(RED), list(RED), list(BLUE)]


@pytest.mark.parametrize("resize", ("stretch", "crop", "pad"))
@pytest.mark.parametrize("size", ((1, 3000), (3000, 1), (1, 1), (32, 16)))
def test_apply_gives_the_size_for_any_shape_of_image(resize: Any, size: tuple[int, int]) -> None:
    pixels = Preprocessing(image_size=(16, 32), resize=resize).apply(encode(Image.new("RGB", size)))
    assert pixels.shape == (16, 32, 3)
    assert pixels.dtype == np.uint8


def data_files(folder: str) -> list[Any]:
    files = sorted(path for path in (DATA / folder).glob("*") if path.name != "LICENSE")
    absent = pytest.mark.skip(reason=f"the development data {DATA / folder} is not on this machine")
    return files or [pytest.param(DATA / folder, marks=absent)]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning", "ignore:.*EXIF:UserWarning")
@pytest.mark.parametrize("file", data_files("hostile-images"), ids=lambda file: file.name)
def test_apply_passes_or_refuses_every_hostile_file(file: Path) -> None:
    for resize in ("stretch", "crop", "pad"):
        try:
            pixels = Preprocessing(image_size=(24, 40), resize=resize).apply(file.read_bytes())
        except ImageError:
            continue
        assert pixels.shape == (24, 40, 3)


@pytest.mark.slow
@pytest.mark.parametrize("file", data_files("exif-orientation"), ids=lambda file: file.name)
def test_apply_turns_real_photos_upright(file: Path) -> None:
    prepare = Preprocessing(image_size=(48, 48))
    upright = file.with_name(f"{file.stem.split('_')[0]}_1.jpg").read_bytes()
    difference = prepare.apply(file.read_bytes()).astype(int) - prepare.apply(upright)
    assert np.abs(difference).mean() < 6  # JPEG noise only: sideways the pictures differ by 30 and more
