"""What is measured of each image, and that issues are cleanvision's own."""

from __future__ import annotations

import cv2
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image

from vision.inspection.properties import PIXEL_ISSUES, mark_issues, measure_images
from vision.inspection.thumbnails import SIDE, ThumbnailSlices, read_thumbnails, shrink
from vision.manifest import ISSUES

Pixels = NDArray[np.uint8]
SQUARE = {"width": 64, "height": 64}


def sizes(count: int) -> pd.DataFrame:
    return pd.DataFrame([SQUARE] * count)


def photos(count: int, side: int = 64) -> Pixels:
    """Random pictures with large and small structure."""
    random = np.random.default_rng(0)
    coarse = random.integers(30, 225, (count, 8, 8, 3)).astype(np.float32)
    large = np.stack([cv2.resize(image, (side, side), interpolation=cv2.INTER_CUBIC) for image in coarse])
    return np.clip(large + random.normal(0, 12, large.shape), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def varied() -> Pixels:
    """30 images: ordinary, ever darker, ever lighter, ever more blurred, nearly plain, gray."""
    images = photos(30).astype(np.float32)
    images[5:10] *= np.array([0.6, 0.4, 0.3, 0.2, 0.05])[:, None, None, None]
    images[10:15] = 255 - (255 - images[10:15]) * np.array([0.5, 0.2, 0.1, 0.05, 0.01])[:, None, None, None]
    for place, deviation in enumerate((0.5, 1, 2, 4, 8), start=15):
        images[place] = cv2.GaussianBlur(images[place], (0, 0), deviation)
    images[20:25] = 120 + (images[20:25] - 120) * np.array([0.2, 0.1, 0.03, 0.01, 0])[:, None, None, None]
    images[25:] = images[25:].mean(axis=-1, keepdims=True)
    return np.asarray(images, np.uint8)


@pytest.fixture(scope="module")
def expected(varied: Pixels, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """What cleanvision says of the same images as PNG files."""
    from cleanvision import Imagelab

    folder = tmp_path_factory.mktemp("images")
    paths = [folder / f"{number:02d}.png" for number in range(len(varied))]
    for number, (path, pixels) in enumerate(zip(paths, varied, strict=True)):
        # Ours sees that the plain one and the last five are gray; cleanvision where they are stored so.
        Image.fromarray(pixels if number < 24 else pixels[..., 0]).save(path)
    lab = Imagelab(filepaths=[str(path) for path in paths])
    lab.find_issues({issue: {} for issue in PIXEL_ISSUES}, n_jobs=1, verbose=False)
    issues: pd.DataFrame = lab.issues.loc[[str(path) for path in paths]]
    return issues


@pytest.mark.parametrize("issue", PIXEL_ISSUES)
def test_issues_are_those_of_cleanvision_over_files(
    issue: str, varied: Pixels, expected: pd.DataFrame
) -> None:
    found = mark_issues(measure_images(varied), sizes(len(varied)))[ISSUES[issue]]
    assert found.tolist() == expected[f"is_{issue}_issue"].tolist()
    assert 0 < found.sum() < len(varied)


def test_odd_sizes_are_those_of_the_files() -> None:
    table = pd.concat([sizes(20), pd.DataFrame([{"width": 900, "height": 90}])], ignore_index=True)
    found = mark_issues(measure_images(photos(21)), table)
    assert np.flatnonzero(found["is_odd_size"]).tolist() == [20]
    assert np.flatnonzero(found["is_odd_aspect_ratio"]).tolist() == [20]


def test_a_plain_image_has_brightness_and_nothing_else() -> None:
    row = measure_images(np.full((1, 16, 16, 3), 51, np.uint8)).iloc[0]
    assert row["brightness"] == pytest.approx(0.2)
    assert (row["contrast"], row["sharpness"], row["entropy"]) == (0, 0, 0)


def test_a_chessboard_is_one_bit_of_extreme_contrast() -> None:
    board = np.indices((16, 16)).sum(axis=0)[..., None].repeat(3, axis=-1) % 2 * 255
    row = measure_images(board[None].astype(np.uint8)).iloc[0]
    assert row[["brightness", "contrast", "entropy"]].tolist() == pytest.approx([0.5, 0.5, 1.0])
    # Inside, each pixel's Laplacian is 4 * 255 with alternating sign; OpenCV mirrors at the edge.
    assert row["sharpness"] == pytest.approx(1020**2)


def test_processes_measure_what_one_process_measures(monkeypatch: pytest.MonkeyPatch) -> None:
    images = photos(10, side=16)
    alone = measure_images(images)
    monkeypatch.setattr("vision.inspection.properties.FEWEST_FOR_PROCESSES", 1)
    monkeypatch.setattr("vision.inspection.properties.SLICE_SIZE", 3)
    pd.testing.assert_frame_equal(measure_images(images), alone)


@pytest.mark.parametrize(
    ("shape", "small"),
    [
        ((224, 224), (64, 64)),
        ((64, 64), (64, 64)),
        ((16, 16), (16, 16)),
        ((300, 100), (64, 21)),
        ((500, 1), (64, 1)),
    ],
)
def test_thumbnails_have_at_most_64_pixels_on_a_side(shape: tuple[int, int], small: tuple[int, int]) -> None:
    thumbnail = shrink(np.full((*shape, 3), 77, np.uint8))
    assert thumbnail.shape == (*small, 3)
    assert max(small) <= SIDE
    assert (thumbnail == 77).all()


def test_slices_hold_every_image_once_and_in_order() -> None:
    images = photos(70, side=16)
    slices = ThumbnailSlices(images, slice_size=40)
    assert (len(slices), slices.sizes) == (2, [40, 30])
    assert [start for start, _ in slices] == [0, 40]
    assert (np.concatenate([thumbnails for _, thumbnails in slices]) == images).all()
    assert (read_thumbnails(images, [69, 0]) == images[[69, 0]]).all()
