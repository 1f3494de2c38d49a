"""Each format is measured or says why not; one that fails stops none of the others."""

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from models import ARCHITECTURES
from vision.classifier import ImageClassifier
from vision.exporting import checked, measuring
from vision.exporting.formats import FORMATS
from vision.exporting.measured_table import HEAD, failures, table_rows, write_picture
from vision.exporting.measuring import FormatMeasurement, measure_formats
from vision.prepared import LabelledImages
from vision.preprocessing import Preprocessing
from vision.runtimes.keras_runtime import KerasRuntime

SIDE = 8
IMAGES = np.random.default_rng(0).integers(0, 256, (12, SIDE, SIDE, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def classifier():
    keras.utils.set_random_seed(0)
    model = ARCHITECTURES["residual"].build((SIDE, SIDE, 3), 3, filters=4, stages=1)
    return ImageClassifier(KerasRuntime(model), Preprocessing(image_size=(SIDE, SIDE)), ("a", "b", "c"))


def refuse(classifier, folder, calibration):
    raise ValueError("Op GELU\nis not known")


@pytest.fixture
def few_formats(monkeypatch):
    formats = {
        "litert": FORMATS["litert"],
        "litert_int8": FORMATS["litert_int8"],
        "broken": replace(FORMATS["onnx"], export=refuse),
    }
    for module in (measuring, checked):
        monkeypatch.setattr(module, "FORMATS", formats)
    monkeypatch.setattr(measuring, "ROUNDS", 2)


def test_formats_are_measured_side_by_side(classifier, few_formats, tmp_path):
    labels = classifier.predict(IMAGES).argmax(axis=1)
    heard = []
    rows = measure_formats(
        classifier, tmp_path, calibration=None, pixels=IMAGES, test=LabelledImages(IMAGES, labels),
        on_format=heard.append,
    )  # fmt: skip
    exact, uncalibrated, broken = rows
    assert [row.format for row in rows] == heard[:3] == ["litert", "litert_int8", "broken"]
    assert exact.accuracy == 1 and not exact.failure
    assert exact.size_mb == (tmp_path / "litert" / "model.tflite").stat().st_size / 1e6
    assert 0 < exact.p50_ms <= exact.p99_ms
    # A fresh process holds Python, NumPy and LiteRT, but no TensorFlow.
    assert exact.images_per_second > 0 and 20 < exact.memory_mb < 400 and exact.start_s > 0
    assert "--calibration" in uncalibrated.failure
    assert broken.failure == "Op GELU is not known"


ROWS = [
    FormatMeasurement(
        format="onnx", precision="float32", size_mb=1.5, accuracy=0.91234, p50_ms=1.234, p99_ms=5,
        memory_mb=70, images_per_second=432.1, start_s=0.31,
    ),
    FormatMeasurement(format="tensorrt", precision="float32", failure="trtexec was not found"),
]  # fmt: skip


def test_table_of_what_was_measured_and_what_failed():
    assert table_rows(ROWS) == [HEAD, ("onnx", "1.50", "0.9123", "1.23", "5.00", "432", "70", "0.3")]
    assert failures(ROWS) == ["tensorrt: trtexec was not found"]
    unknown = ROWS[0].model_copy(update={"accuracy": None, "memory_mb": None, "start_s": None})
    assert table_rows([unknown])[1] == ("onnx", "1.50", "–", "1.23", "5.00", "432", "–", "–")


def test_picture_is_a_png(tmp_path: Path):
    write_picture(ROWS, tmp_path / "formats.png")
    assert (tmp_path / "formats.png").read_bytes().startswith(b"\x89PNG")
