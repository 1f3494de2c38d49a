"""The formats that a classifier can be exported to, one row each, and the Keras model that all are made from.

A registered bundle holds a converted model, from which nothing else can be made; so it keeps the Keras
classifier too, in a folder of its own that no service reads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from vision.bundle import DESCRIPTION, NETWORK, open_bundle
from vision.classifier import ImageClassifier
from vision.errors import BundleError
from vision.exporting.converters import to_litert, to_onnx, to_openvino
from vision.exporting.files import (
    H5_FILE,
    KERAS_FILE,
    ONNX_FILE,
    PLAN_FILE,
    Export,
    converted,
    export_h5,
    export_keras,
    export_serving,
    export_tensorrt,
    open_h5,
)
from vision.runtimes import Runtime, load_runtime

LITERT_FILE, OPENVINO_FILE = "model.tflite", "model.xml"


@dataclass(frozen=True)
class Format:
    """A row. `open` gives the runtime of the folder that was exported to, None where nothing here runs it.

    `runtime` and `precision` are what bundle.json is to say of the export: where `runtime` is one of
    vision.runtimes.RUNTIMES, ImageClassifier.load opens it. int8 needs calibration images.
    """

    description: str
    writes: str
    runtime: str
    export: Export
    open: Callable[[Path], Runtime] | None
    precision: str = "float32"


def _format(
    description: str, writes: str, runtime: str, export: Export, precision: str = "float32"
) -> Format:
    """A row of which a runtime of ours reads what it writes."""
    reader = partial(load_runtime, runtime, precision=precision)
    return Format(description, writes, runtime, export, reader, precision)


FORMATS = {
    "keras": _format("Keras 3: trains on, and is exported again", KERAS_FILE, "keras", export_keras),
    "h5": Format("HDF5 of Keras 2, for what reads no other", H5_FILE, "h5", export_h5, open_h5),
    "saved_model": _format(
        "TensorFlow Serving, pixels or files in", "1/saved_model.pb and more", "saved_model", export_serving
    ),
    "onnx": _format(
        "ONNX Runtime and most other engines",
        ONNX_FILE,
        "onnx",
        converted(lambda saved_model, _: to_onnx(saved_model), ONNX_FILE),
    ),
    "openvino": _format(
        "Intel processors, fastest on batches",
        f"{OPENVINO_FILE} and model.bin",
        "openvino",
        converted(lambda saved_model, _: to_openvino(saved_model), OPENVINO_FILE),
    ),
    "openvino_int8": _format(
        "the same in 8 bits",
        f"{OPENVINO_FILE} and model.bin",
        "openvino",
        converted(to_openvino, OPENVINO_FILE),
        "int8",
    ),
    "litert": _format(
        "phones and small machines (TensorFlow Lite)",
        LITERT_FILE,
        "litert",
        converted(lambda saved_model, _: to_litert(saved_model), LITERT_FILE),
    ),
    "litert_int8": _format(
        "the same in 8 bits", LITERT_FILE, "litert", converted(to_litert, LITERT_FILE), "int8"
    ),
    "tensorrt": Format("NVIDIA GPUs of one kind", PLAN_FILE, "tensorrt", export_tensorrt, None),
}


def keras_original(folder: Path) -> ImageClassifier:
    """The Keras classifier of a bundle, or of a folder that ImageClassifier.save wrote.

    BundleError where a hash differs, before anything is loaded, and where there is no Keras model.
    """
    if open_bundle(folder)["runtime"] == "keras":
        return ImageClassifier.load(folder)
    if not (folder / NETWORK / DESCRIPTION).is_file():
        raise BundleError(
            f"bundle {folder} has no Keras model, from which exports are made: it was registered before"
            f" bundles kept one in {NETWORK}/; train again, which registers the model with it"
        )
    return ImageClassifier.load(folder / NETWORK)
