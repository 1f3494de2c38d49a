"""What writes each format of vision/exporting/formats.py: a Keras classifier as files in an empty folder.

An exporter takes the classifier, the folder and calibration images (N, H, W, 3), uint8 0..255, which int8
alone looks at, and returns the path that a user hands on.
"""

from __future__ import annotations

import logging
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vision.classifier import ImageClassifier
from vision.errors import SightlineError
from vision.exporting.converters import export_saved_model, to_onnx
from vision.runtimes import Runtime

if TYPE_CHECKING:
    import keras

KERAS_FILE, H5_FILE, ONNX_FILE, PLAN_FILE = "model.keras", "model.h5", "model.onnx", "model.plan"
# What trtexec prepares its engine for; the middle one it makes fastest.
TENSORRT_BATCHES = {"min": 1, "opt": 1, "max": 32}

Calibration = NDArray[np.uint8] | None
Export = Callable[[ImageClassifier, Path, Calibration], Path]


class ExportSkipped(SightlineError):
    """The format needs what is not here: a program, or calibration images."""


def export_keras(classifier: ImageClassifier, folder: Path, _: Calibration = None) -> Path:
    """Keras' own file, which trains on."""
    classifier.runtime.save(folder)
    return folder / KERAS_FILE


def export_h5(classifier: ImageClassifier, folder: Path, _: Calibration = None) -> Path:
    """The file of Keras 2, for what reads no other."""
    with _without_line("You are saving your model as an HDF5 file"):  # whoever asks for it knows
        _keras_model(classifier).save(folder / H5_FILE)
    return folder / H5_FILE


def open_h5(folder: Path) -> Runtime:
    """The model that `export_h5` wrote."""
    import keras

    from vision.runtimes.keras_runtime import KerasRuntime

    return KerasRuntime(keras.saving.load_model(folder / H5_FILE, compile=False, safe_mode=True))


def export_serving(classifier: ImageClassifier, folder: Path, _: Calibration = None) -> Path:
    """The folder that TensorFlow Serving is given, of one version."""
    from vision.exporting.serving_model import export_serving_model

    export_serving_model(classifier, folder)
    return folder


def converted(convert: Callable[[Path, Calibration], Runtime], file: str) -> Export:
    """The exporter to a runtime's own file, by way of a SavedModel."""

    def export(classifier: ImageClassifier, folder: Path, calibration: Calibration = None) -> Path:
        with tempfile.TemporaryDirectory() as temporary:
            saved_model = export_saved_model(_keras_model(classifier), Path(temporary) / "saved_model")
            convert(saved_model, calibration).save(folder)
        return folder / file

    return export


def export_tensorrt(classifier: ImageClassifier, folder: Path, _: Calibration = None) -> Path:
    """A plan of TensorRT for GPUs like the one here, by way of ONNX; ExportSkipped without trtexec."""
    trtexec = shutil.which("trtexec")
    if trtexec is None:
        raise ExportSkipped("tensorrt needs an NVIDIA GPU with TensorRT: trtexec was not found")
    height, width = classifier.preprocessing.image_size
    shapes = [f"--{end}Shapes=images:{batch}x{height}x{width}x3" for end, batch in TENSORRT_BATCHES.items()]
    with tempfile.TemporaryDirectory() as temporary:
        onnx = converted(lambda saved_model, _: to_onnx(saved_model), ONNX_FILE)
        source = onnx(classifier, Path(temporary), None)
        command = [
            trtexec,
            f"--onnx={source}",
            f"--saveEngine={folder / PLAN_FILE}",
            *shapes,
            "--skipInference",
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"trtexec failed with status {done.returncode}: {_last_line(done)}")
    return folder / PLAN_FILE


def _keras_model(classifier: ImageClassifier) -> keras.Model:
    from vision.runtimes.keras_runtime import KerasRuntime

    assert isinstance(classifier.runtime, KerasRuntime)
    return classifier.runtime.model


def _last_line(done: subprocess.CompletedProcess[str]) -> str:
    lines = (done.stderr or done.stdout).strip().splitlines()
    return lines[-1] if lines else "it said nothing"


@contextmanager
def _without_line(beginning: str) -> Iterator[None]:
    """While it lasts, absl logs no line that begins so."""

    def is_other(record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith(beginning)

    absl = logging.getLogger("absl")
    absl.addFilter(is_other)
    try:
        yield
    finally:
        absl.removeFilter(is_other)
