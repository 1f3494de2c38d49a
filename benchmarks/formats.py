"""Every format of five networks, measured side by side: size, accuracy, time, throughput, memory."""

from __future__ import annotations

import tempfile
from pathlib import Path

import keras
import numpy as np

from benchmarks.compression import trained_champion
from benchmarks.record import table, write_section
from benchmarks.reference_a import groceries, trained_reference_a
from models import ARCHITECTURES
from vision.classifier import ImageClassifier
from vision.exporting.measured_table import failures, table_rows
from vision.exporting.measuring import measure_formats
from vision.prepared import LabelledImages
from vision.preprocessing import Preprocessing
from vision.runtimes.keras_runtime import KerasRuntime

SIDE = 224
CALIBRATION_IMAGES = 300
# Every format answers them, Keras in some tenths of a second each.
TEST_IMAGES = 1000
UNTRAINED = {"MobileNetV2": "mobilenet_v2", "ResNet50": "resnet50"}


def main() -> None:
    parts = [_champion(name) for name in ("cifar10", "grocery")]
    prepared = groceries()
    reference = trained_reference_a(prepared)
    calibration = prepared.images("train")[:: len(prepared.images("train")) // CALIBRATION_IMAGES]
    parts.append(_table("CNN A on groceries", reference, calibration, prepared.labelled("test")))
    parts += [
        _table(f"{title}, random weights", _untrained(name), calibration) for title, name in UNTRAINED.items()
    ]
    write_section("formats", "\n\n".join(parts))


def _champion(name: str) -> str:
    classifier, prepared = trained_champion(name)
    training = prepared.images("train")
    calibration = training[:: len(training) // CALIBRATION_IMAGES]
    return _table(f"{name} champion", classifier, calibration, prepared.labelled("test"))


def _untrained(name: str) -> ImageClassifier:
    """Time and size are those of trained weights; accuracy is not measured."""
    keras.utils.set_random_seed(1)
    model = ARCHITECTURES[name].build((SIDE, SIDE, 3), 1000)
    preprocessing = Preprocessing(image_size=(SIDE, SIDE))
    return ImageClassifier(KerasRuntime(model), preprocessing, tuple(map(str, range(1000))))


def _table(
    title: str, classifier: ImageClassifier, calibration: np.ndarray, test: LabelledImages | None = None
) -> str:
    few = test and LabelledImages(
        *(array[:: max(1, len(array) // TEST_IMAGES)] for array in (test.images, test.labels))
    )
    print(title, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        measured = measure_formats(
            classifier, Path(folder), calibration=calibration, pixels=calibration[:16], test=few,
            on_format=lambda name: print("  ", name, flush=True),
        )  # fmt: skip
    head, *rows = table_rows(measured)
    told = "".join(f"\n- {line}" for line in failures(measured))
    counted = f" Accuracy of {len(few.labels):,} test images." if few else ""
    return f"### {title}\n\n{table(head, rows)}\n\nOne thread a core.{counted}{told}"
