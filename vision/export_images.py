"""The images that an export is made with, and those that it is compared with the original on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vision.errors import DataError
from vision.golden import EXPECTED, FOLDER, hostile_images
from vision.preprocessing import Preprocessing
from vision.sources.class_folders import EXTENSIONS

# As config.compress.calibration_images has it.
CALIBRATION_IMAGES = 300
NOISE_IMAGES = 16


def read_calibration(folder: Path, preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """Pixels (N, H, W, 3), uint8, of up to 300 images below a folder, evenly spread over their paths.

    DataError where there are fewer than 2; ImageError where one cannot be decoded.
    """
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in EXTENSIONS)
    if len(paths) < 2:
        raise DataError(
            f"{len(paths)} image(s) below {folder}: int8 is calibrated by 2 at least, better by 300 of the"
            " training images; set --calibration"
        )
    rows = np.unique(np.linspace(0, len(paths) - 1, CALIBRATION_IMAGES).astype(int))
    return np.stack([_read(paths[row], preprocessing) for row in rows])


def parity_images(bundle: Path, preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """Pixels (N, H, W, 3), uint8: the bundle's golden images (where none, the hostile ones) and noise."""
    noise = np.random.default_rng(0).integers(
        0, 256, (NOISE_IMAGES, *preprocessing.image_size, 3), dtype=np.uint8
    )
    golden = bundle / FOLDER / EXPECTED
    if golden.is_file():
        with np.load(golden, allow_pickle=False) as expected:
            return np.concatenate([expected["pixels"], noise])
    return np.concatenate([[preprocessing.apply(data) for data in hostile_images().values()], noise])


def _read(path: Path, preprocessing: Preprocessing) -> NDArray[np.uint8]:
    try:
        return preprocessing.apply(path.read_bytes())
    except DataError as error:
        raise DataError(f"{path}: {error}; set --calibration") from error
