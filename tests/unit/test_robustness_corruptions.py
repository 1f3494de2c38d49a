"""Each corruption: worked by hand, against other libraries, on sizes that break arithmetic, by strength."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vision.robustness.blurs import displaced, motion_kernel
from vision.robustness.corruptions import CORRUPTIONS, SEVERITIES, corrupt, corruption_examples
from vision.robustness.digital import brightness, contrast, elastic_transform, pixelate, recompressed
from vision.robustness.disturbances import rescaled, rotated
from vision.robustness.noise import gaussian_noise, impulse_noise, shot_noise
from vision.robustness.weather import fog, plasma, snow

NOISE = ("gaussian_noise", "shot_noise", "impulse_noise")
BENDING = ("glass_blur", "elastic_transform")  # these move pixels
SHAPES = ((32, 32), (1, 1), (2, 3), (8, 8), (64, 40), (80, 130))


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def photo(height: int = 32, width: int = 32) -> np.ndarray:
    """Smooth shapes with edges, in colours of the middle range."""
    rows, columns = np.mgrid[0:height, 0:width] / max(height, width)
    channels = (np.sin(9 * rows + 4 * columns), np.cos(7 * columns), np.sin(25 * rows * columns))
    image = 128 + 60 * np.stack(channels, axis=-1)
    image[height // 4 : height // 2, width // 3 : width // 2] = (210, 60, 40)
    return image.astype(np.uint8)


def flat(value: Any, side: int = 32) -> np.ndarray:
    return np.full((side, side, 3), value, np.uint8)


def distance(image: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(image.astype(float) - other).mean())


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_corruption_gives_an_image_of_the_same_shape(name: str, shape: tuple[int, int]) -> None:
    image = photo(*shape)
    before = image.copy()
    for severity in SEVERITIES:
        corrupted = corrupt(image, name, severity=severity, seed=1)
        assert corrupted.shape == image.shape and corrupted.dtype == np.uint8
    assert np.array_equal(image, before)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_corruption_depends_on_image_and_seed_alone(name: str) -> None:
    first, second = photo(), photo()[::-1].copy()
    alone = corrupt(second, name, severity=3, seed=1)
    corrupt(first, name, severity=2, seed=1)
    assert np.array_equal(corrupt(second, name, severity=3, seed=1), alone)
    if name in (*NOISE, *BENDING, "motion_blur", "snow", "fog"):  # those with chance
        assert not np.array_equal(corrupt(second, name, severity=3, seed=2), alone)


@pytest.mark.parametrize("name", NOISE)
def test_two_images_get_different_noise(name: str) -> None:
    first, second = flat(100), flat(100)
    second[0, 0] = 101
    noise = [corrupt(image, name, severity=3, seed=1)[1:] for image in (first, second)]
    assert not np.array_equal(*noise)


@pytest.mark.parametrize("side", [32, 64, 96, 224])
@pytest.mark.parametrize("name", [name for name in CORRUPTIONS if name != "elastic_transform"])
def test_corruption_grows_with_its_severity(name: str, side: int) -> None:
    """Not elastic: the paper's weak severities shear the image, the strong ones bend it locally."""
    image = photo(side, side)
    weak, strong = (distance(corrupt(image, name, severity=severity, seed=1), image) for severity in (1, 5))
    assert strong > 1.2 * weak > 0


@pytest.mark.parametrize("name", [name for name in CORRUPTIONS if name not in (*NOISE, "snow")])
def test_corruption_keeps_grey_grey(name: str) -> None:
    grey = np.repeat(photo(96, 96)[..., :1], 3, axis=-1)
    assert np.ptp(corrupt(grey, name, severity=5, seed=1).astype(int), axis=-1).max() <= 1


@pytest.mark.parametrize(
    "name", ["defocus_blur", "motion_blur", "zoom_blur", "contrast", "pixelate", *BENDING]
)
@pytest.mark.parametrize("side", [32, 224])
def test_flat_image_stays_as_it_is(name: str, side: int) -> None:
    image = flat((200, 128, 30), side)
    for severity in SEVERITIES:
        assert np.abs(corrupt(image, name, severity=severity, seed=1).astype(int) - image).max() <= 1


@pytest.mark.parametrize(
    ("name", "severity", "side", "expected"),
    [
        ("gaussian_noise", 1, 224, (0.08,)),
        ("gaussian_noise", 5, 32, (0.1,)),
        ("shot_noise", 5, 224, (3,)),
        ("defocus_blur", 3, 224, (6, 0.5)),
        ("glass_blur", 5, 224, (1.5, 4, 2)),
        ("motion_blur", 5, 32, (9, 2.5)),
        ("snow", 3, 32, (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9)),
        ("fog", 4, 224, (2.5, 1.5)),
        ("elastic_transform", 5, 32, (3.2, 0.96, 0.96)),
        ("pixelate", 5, 224, (0.25,)),
        ("jpeg_compression", 1, 32, (80,)),
    ],
)
def test_constants_are_those_of_the_papers_code(
    name: str, severity: int, side: int, expected: tuple[float, ...]
) -> None:
    """make_imagenet_c.py and make_cifar_c.py of github.com/hendrycks/robustness."""
    assert CORRUPTIONS[name].constants(severity, side) == pytest.approx(expected)


def test_lengths_go_with_the_size_of_the_image() -> None:
    defocus, elastic = CORRUPTIONS["defocus_blur"], CORRUPTIONS["elastic_transform"]
    assert defocus.constants(5, 448) == pytest.approx((20, 1))
    assert defocus.constants(5, 64) == pytest.approx((3, 0.2))  # the last that counts as small
    assert defocus.constants(5, 112) == pytest.approx((5, 0.25))
    # Displacements are strength / deviation pixels wide: twice as wide on an image twice as large.
    assert elastic.constants(5, 64) == pytest.approx((4 * 3.2, 2 * 0.96, 2 * 0.96))


def test_every_corruption_has_five_severities() -> None:
    assert len(CORRUPTIONS) >= 12
    for corruption in CORRUPTIONS.values():
        lengths = {len(row) for row in (*corruption.imagenet, *corruption.cifar)}
        assert len(corruption.imagenet) == len(corruption.cifar) == 5 and len(lengths) == 1


def test_gaussian_noise_has_its_deviation() -> None:
    noise = gaussian_noise(flat(128, 200), (0.1,), rng()) - 128.0
    assert noise.std() == pytest.approx(25.5, rel=0.02)
    assert abs(noise.mean()) < 0.3


def test_shot_noise_has_poissons_deviation() -> None:
    # 128 of 255 with 50 photons for white: 25.1 photons, deviation 5.01 photons, 255 / 50 levels each.
    noise = shot_noise(flat(128, 200), (50,), rng()) - 128.0
    assert noise.std() == pytest.approx(np.sqrt(50 * 128 / 255) * 255 / 50, rel=0.02)
    assert abs(noise.mean()) < 0.3


def test_impulse_noise_is_half_salt_half_pepper() -> None:
    noisy = impulse_noise(flat(128, 200), (0.2,), rng())
    assert (noisy == 0).mean() == pytest.approx(0.1, abs=0.005)
    assert (noisy == 255).mean() == pytest.approx(0.1, abs=0.005)
    assert (noisy == 128).mean() == pytest.approx(0.8, abs=0.005)


def test_brightness_by_hand() -> None:
    """The largest channel gains 51 and takes the others along; black becomes grey, white stays."""
    image = np.uint8([[(102, 68, 0), (0, 0, 0), (255, 255, 255), (204, 100, 0)]])
    expected = [[(153, 102, 0), (51, 51, 51), (255, 255, 255), (255, 125, 0)]]
    assert brightness(image, (0.2,), rng()).tolist() == np.array(expected).tolist()


def test_contrast_by_hand() -> None:
    """Means of the channels: 100, 50, 30; what deviates from them keeps four tenths."""
    image = np.uint8([[(0, 50, 20), (200, 50, 40)]])
    assert contrast(image, (0.4,), rng()).tolist() == [[[60, 50, 26], [140, 50, 34]]]


@pytest.mark.parametrize("share", [0.25, 0.6, 0.95])
def test_pixelate_is_pillows_box(share: float) -> None:
    image = photo(224, 224)
    small = Image.fromarray(image).resize((int(224 * share),) * 2, Image.Resampling.BOX)
    expected = np.asarray(small.resize((224, 224), Image.Resampling.BOX))
    assert distance(pixelate(image, (share,), rng()), expected) < 0.5  # each rounds in its own way


@pytest.mark.parametrize("quality", [7, 25, 80])
def test_jpeg_is_pillows(quality: int) -> None:
    file = io.BytesIO()
    Image.fromarray(photo(64, 64)).save(file, "JPEG", quality=quality)
    assert distance(recompressed(photo(64, 64), quality), np.asarray(Image.open(file))) < 0.5


def test_displaced_is_the_papers_loop() -> None:
    image = np.random.default_rng(3).integers(0, 256, (12, 15, 3), dtype=np.uint8)
    down, right = rng().integers(-2, 2, (2, 8, 11))  # rows 3..10 and columns 3..13 move
    expected = image.copy()
    for row in range(12 - 2, 2, -1):
        for column in range(15 - 2, 2, -1):
            neighbour = (row + down[row - 3, column - 3], column + right[row - 3, column - 3])
            expected[row, column] = expected[neighbour]
    assert np.array_equal(displaced(image, 2, rng()), expected)


def test_defocus_spreads_a_dot_over_a_disk() -> None:
    image = flat(0, 224)
    image[100, 120] = 255
    spread = corrupt(image, "defocus_blur", severity=1, seed=1)[..., 0]  # a disk of radius 3: 29 pixels
    rows, columns = np.nonzero(spread)
    assert len(rows) == 29 and set(spread[rows, columns]) == {round(255 / 29)}
    assert (rows.mean(), columns.mean()) == (100, 120)


def test_motion_kernel_is_half_a_gaussian_on_a_ray() -> None:
    kernel = motion_kernel(2, 1, degrees=0)
    weights = np.exp([0, -0.5, -2, -4.5, -8])
    assert kernel.shape == (9, 9) and kernel.sum() == pytest.approx(1)
    assert kernel[4, 4:] == pytest.approx(weights / weights.sum())


def test_zoom_blur_leaves_the_centre_sharp() -> None:
    image = photo(33, 33)
    blurred = corrupt(image, "zoom_blur", severity=5, seed=1).astype(int)
    assert np.abs(blurred[16, 16] - image[16, 16]).max() <= 2


def test_elastic_displacement_is_smoothed_as_scipy_does() -> None:
    from scipy.ndimage import gaussian_filter

    from vision.robustness.digital import _smooth

    noise = rng().uniform(-1, 1, (2, 40, 30)).astype(np.float32)
    expected = gaussian_filter(noise, 3, mode="reflect", axes=(1, 2))
    assert _smooth(noise, 3) == pytest.approx(expected, abs=1e-4)


def test_elastic_without_strength_and_shift_changes_nothing() -> None:
    assert np.array_equal(elastic_transform(photo(), (0, 1, 0), rng()), photo())


def test_snow_falls_on_the_dark_and_makes_nothing_darker() -> None:
    dark = flat((20, 40, 60), 224)
    snowy = snow(dark, CORRUPTIONS["snow"].constants(3, 224), rng())
    assert (snowy >= dark).all()
    assert (snowy.min(axis=-1) > 200).mean() > 0.005


def test_fog_by_hand_where_there_is_none_and_most() -> None:
    """Of a white image, 1 / (1 + density) where the fog is thinnest, and white where it is densest."""
    foggy = fog(flat(255), (1.0, 2.0), rng())
    assert (foggy.min(), foggy.max()) == (128, 255)


def test_plasma_is_rougher_where_details_weigh_more() -> None:
    rough, smooth = (np.abs(np.diff(plasma(64, decay, rng()), axis=0)).mean() for decay in (1.4, 3))
    assert rough > 2 * smooth
    clouds = plasma(100, 2, rng())
    assert clouds.shape == (128, 128) and (clouds.min(), clouds.max()) == (0, 1)


def test_rotation_by_a_quarter_turns_the_image_anticlockwise() -> None:
    assert np.array_equal(rotated(photo(), 90), np.rot90(photo()))


def test_rotation_reflects_at_the_borders() -> None:
    assert np.array_equal(rotated(flat(90), 45), flat(90))


def test_rescaling_to_half_averages_four_pixels() -> None:
    squares = np.kron(np.array([[0, 200], [100, 40]]), np.ones((2, 2)))[..., None].repeat(3, -1)
    assert rescaled(squares.astype(np.uint8), 0.5)[0, 0].tolist() == [0, 0, 0]
    board = np.kron(np.ones((4, 4)), [[0, 200], [200, 0]])[..., None].repeat(3, -1).astype(np.uint8)
    assert np.array_equal(rescaled(board, 0.5), flat(100, 8))


def test_examples_show_every_corruption_at_severity_three() -> None:
    examples = dict(corruption_examples(photo(), seed=5))
    assert list(examples) == list(CORRUPTIONS)
    assert np.array_equal(examples["snow"], corrupt(photo(), "snow", severity=3, seed=5))
