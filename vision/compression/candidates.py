"""Every runtime and precision of one Keras classifier, converted from one SavedModel."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vision.classifier import ImageClassifier
from vision.errors import DataError
from vision.export import EXPORTERS, export_saved_model, mark_features
from vision.runtimes.keras_runtime import KerasRuntime

# From so few it is plain which tensor of the converted model is which of the Keras model.
MATCHED_IMAGES = 4


def convert(
    classifier: ImageClassifier, calibration: NDArray[np.uint8], runtimes: Sequence[str]
) -> list[ImageClassifier]:
    """The classifier in float32 and int8 on each of the runtimes, ready to be explained there.

    `calibration` (N, H, W, 3), uint8 0..255, must be training images.
    """
    if len(calibration) < 2:
        raise DataError(
            f"int8 calibration received {len(calibration)} training image(s), at least 2 are needed;"
            " raise config.compress.calibration_images"
        )
    assert isinstance(classifier.runtime, KerasRuntime)
    split = classifier.runtime.split()
    with tempfile.TemporaryDirectory() as folder:
        saved_model = export_saved_model(classifier.runtime.model, Path(folder) / "saved_model")
        return [
            classifier.with_runtime(
                mark_features(EXPORTERS[name](saved_model, images), split, calibration[:MATCHED_IMAGES])
            )
            for name in runtimes
            for images in (None, calibration)
        ]
