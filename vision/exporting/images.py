"""The images that an export is made with, and those that it is compared with the original on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vision.classifier import ImageClassifier
from vision.errors import DataError
from vision.golden import FOLDER, golden_pixels, hostile_images
from vision.prepared import LabelledImages
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
    return np.stack([_read(paths[row], preprocessing, "--calibration") for row in rows])


def read_labelled(folder: Path, classifier: ImageClassifier) -> LabelledImages:
    """The images of a folder a class, whose names are the classifier's; DataError where they are not."""
    if classifier.task == "multi_label":
        raise DataError(
            f"{folder} has one class an image, and this model gives several labels: give the command NAME or"
            " NAME:VERSION instead of --images, and it takes the model's own test images"
        )
    places = {name: label for label, name in enumerate(classifier.class_names)}
    paths = sorted(path for path in folder.glob("*/*") if path.suffix.lower() in EXTENSIONS)
    unknown = sorted({path.parent.name for path in paths} - set(places))
    if unknown or not paths:
        raise DataError(
            f"{folder} holds {len(paths)} images in folders of which {', '.join(unknown[:5]) or 'none'} is no"
            f" class of the model: {', '.join(classifier.class_names[:10])} ...; set --images to one that has"
            " a folder a class"
        )
    pixels = np.stack([_read(path, classifier.preprocessing, "--images") for path in paths])
    return LabelledImages(pixels, np.array([places[path.parent.name] for path in paths]))


def parity_images(bundle: Path, preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """Pixels (N, H, W, 3), uint8: the bundle's golden images (where none, the hostile ones) and noise."""
    noise = np.random.default_rng(0).integers(
        0, 256, (NOISE_IMAGES, *preprocessing.image_size, 3), dtype=np.uint8
    )
    if (bundle / FOLDER).is_dir():
        return np.concatenate([golden_pixels(bundle), noise])
    return np.concatenate([[preprocessing.apply(data) for data in hostile_images().values()], noise])


def _read(path: Path, preprocessing: Preprocessing, option: str) -> NDArray[np.uint8]:
    try:
        return preprocessing.apply(path.read_bytes())
    except DataError as error:
        raise DataError(f"{path}: {error}; set {option}") from error
