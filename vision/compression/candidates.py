"""Every runtime and precision of one Keras classifier, converted from one SavedModel."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vision.classifier import ImageClassifier
from vision.compression.conversions import CONVERSIONS, Conversion, Limit, Material
from vision.errors import DataError
from vision.exporting.converters import export_saved_model, mark_features
from vision.runtimes import SplitModel
from vision.runtimes.keras_runtime import KerasRuntime

# From so few it is plain which tensor of the converted model is which of the Keras model.
MATCHED_IMAGES = 4


@dataclass(frozen=True)
class Convertible:
    """A Keras classifier with the SavedModel that all its conversions begin with."""

    classifier: ImageClassifier
    material: Material
    split: SplitModel | None

    def to(self, conversion: Conversion) -> ImageClassifier:
        """On the runtime and in the precision of the conversion, ready to be explained there."""
        runtime = CONVERSIONS[conversion](self.material)
        few = self.material.calibration[:MATCHED_IMAGES]
        return self.classifier.with_runtime(mark_features(runtime, self.split, few))


@contextmanager
def convertible(
    classifier: ImageClassifier, calibration: NDArray[np.uint8], *, limit: Limit | None = None
) -> Iterator[Convertible]:
    """The classifier, whose runtime is Keras, to be converted while the context lasts.

    `calibration` (N, H, W, 3), uint8 0..255, must be training images, two or more: DataError otherwise.
    `limit` is for controlled int8 alone.
    """
    _check_calibration(calibration)
    assert isinstance(classifier.runtime, KerasRuntime)
    with tempfile.TemporaryDirectory() as folder:
        saved_model = export_saved_model(classifier.runtime.model, Path(folder) / "saved_model")
        yield Convertible(classifier, Material(saved_model, calibration, limit), classifier.runtime.split())


def convert(
    classifier: ImageClassifier, calibration: NDArray[np.uint8], runtimes: Sequence[str]
) -> list[ImageClassifier]:
    """The classifier in float32 and int8 on each of the runtimes."""
    with convertible(classifier, calibration) as source:
        return [
            source.to(Conversion(runtime, precision))
            for runtime in runtimes
            for precision in ("float32", "int8")
        ]


def _check_calibration(calibration: NDArray[np.uint8]) -> None:
    if len(calibration) < 2:
        raise DataError(
            f"int8 calibration received {len(calibration)} training image(s), at least 2 are needed;"
            " raise config.compress.calibration_images"
        )
