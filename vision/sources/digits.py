"""The embedded default: scikit-learn's handwritten digits, written once as PNG class folders.

From there on they are treated like any user's folder, so the default run exercises what users run.
1,797 gray images of 8 x 8 pixels, 10 classes; E. Alpaydin and C. Kaynak, UCI, 1998.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from vision.bundle import atomic_folder
from vision.data_config import DataConfig
from vision.sources import class_folders
from vision.sources.listing import Listing

# The digits' values are 0..16: counts of dark pixels in blocks of 4 x 4.
LARGEST_VALUE = 16


def list_images(data: DataConfig, data_folder: Path) -> Listing:
    """The digits below `data_folder`/digits, written there first where they are missing."""
    folder = data_folder / "digits"
    if not folder.exists():
        with atomic_folder(folder) as temporary:
            _write_digits(temporary)
    return class_folders.list_images(data.model_copy(update={"path": str(folder)}), data_folder)


def _write_digits(folder: Path) -> None:
    from sklearn.datasets import load_digits  # 1.2 s, needed once

    digits = load_digits()
    pixels = np.rint(digits.images * 255 / LARGEST_VALUE).astype(np.uint8)
    for label in np.unique(digits.target):
        (folder / str(label)).mkdir()
    for number, (image, label) in enumerate(zip(pixels, digits.target, strict=True)):
        Image.fromarray(image).save(folder / str(label) / f"{number:04d}.png")
