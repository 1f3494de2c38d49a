"""What can be measured of an image without a model: of the validation images, and of those that were sent.

Brightness, contrast, sharpness and entropy are those of the manifest (vision.inspection), of the pixels that
the model sees; width, height, size in bytes and aspect ratio are of the file.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vision.errors import ImageError
from vision.image_array import ImageArray, Pixels
from vision.inspection.properties import measure_images
from vision.manifest import MEASURED
from vision.preprocessing import Preprocessing

Properties = dict[str, NDArray[np.float64]]  # name -> (M,)
OF_FILES = ("width", "height", "size_bytes")


@dataclass(frozen=True)
class SeenImages:
    """The encoded images that could be read: their places among all, pixels (M, H, W, 3), and properties."""

    places: NDArray[np.intp]  # (M,)
    pixels: Pixels
    properties: Properties


def see_images(encoded: Iterable[bytes], preprocessing: Preprocessing) -> SeenImages:
    """The images as a model of that preprocessing sees them; those that are none are left out."""
    places, pixels, files = [], [], []
    for place, data in enumerate(encoded):
        try:
            decoded = preprocessing.decode(data)
        except ImageError:
            continue
        places.append(place)
        pixels.append(preprocessing.fit(decoded.pixels))
        files.append((decoded.width, decoded.height, len(data)))
    height, width = preprocessing.image_size
    whole = np.array(pixels, np.uint8).reshape(-1, height, width, 3)
    properties = measure_properties(whole, pd.DataFrame(files, columns=list(OF_FILES)))
    return SeenImages(np.array(places, np.intp), whole, properties)


def measure_properties(images: ImageArray, files: pd.DataFrame) -> Properties:
    """Of preprocessed images (M, H, W, 3) and the columns OF_FILES of their files, in the same order."""
    if not len(images):
        return {}
    measured = measure_images(images)[list(MEASURED)].assign(**{name: files[name].array for name in OF_FILES})
    sides = measured[["width", "height"]]
    # Long by short side, as in vision.ingest.measured_properties.
    measured = measured.assign(aspect_ratio=sides.max(axis=1) / sides.min(axis=1))
    return {str(name): column.to_numpy(np.float64) for name, column in measured.items()}
