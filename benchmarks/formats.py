"""Every format of five networks, measured side by side: size, accuracy, time, throughput, memory."""

from __future__ import annotations

import tempfile
from pathlib import Path

import keras
import numpy as np

from benchmarks.compression import trained_champion
from benchmarks.int8_peak import int8_peak
from benchmarks.record import table, write_section
from benchmarks.reference_a import groceries, trained_reference_a
from models import ARCHITECTURES
from vision.classifier import ImageClassifier
from vision.exporting.measured_table import failures, table_rows
from vision.exporting.measuring import measure_formats
from vision.model_facts import flops
from vision.prepared import LabelledImages
from vision.preprocessing import Preprocessing
from vision.runtimes.keras_runtime import KerasRuntime

SIDE = 224
CALIBRATION_IMAGES = 300
# Every format answers them, Keras in some tenths of a second each.
TEST_IMAGES = 1000
UNTRAINED = {"mobilenet_v2": "MobileNetV2", "resnet50": "ResNet50"}


def main() -> None:
    """Champions last: without them the other networks' sections are written all the same."""
    prepared = groceries()
    calibration = _every_nth(prepared.images("train"), CALIBRATION_IMAGES)
    for name, title in UNTRAINED.items():
        write_section(f"formats-{name}", _table(f"{title}, random weights", _untrained(name), calibration))
    reference = trained_reference_a(prepared)
    text = _table("CNN A on groceries", reference, calibration, prepared.labelled("test"))
    write_section("formats-reference_a", text)
    for name in ("cifar10", "grocery"):
        classifier, prepared = trained_champion(name)
        calibration = _every_nth(prepared.images("train"), CALIBRATION_IMAGES)
        text = _table(f"{name} champion", classifier, calibration, prepared.labelled("test"))
        write_section(f"formats-{name}", text)


def _every_nth(images: np.ndarray, count: int) -> np.ndarray:
    return images[:: max(1, len(images) // count)]


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
    peak, work = int8_peak(), flops(classifier.runtime.model) / 2
    made = [row for row in measured if not row.failure]
    shares = [f"{row.images_per_second * work / peak:.0%}" if row.precision == "int8" else "" for row in made]
    lines = [(*row, share) for row, share in zip(rows, shares, strict=True)]
    told = "".join(f"\n- {line}" for line in failures(measured))
    counted = f" Accuracy of {len(few.labels):,} test images." if few else ""
    costs = f"An image takes {work / 1e9:.2f} GMAC; the int8 peak was {peak / 1e9:,.0f} GMAC/s."
    named = table((*head, "of the int8 peak"), lines)
    return f"### {title}\n\n{named}\n\nOne thread a core.{counted} {costs}{told}"
