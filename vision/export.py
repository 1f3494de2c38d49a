"""A Keras model as the file of a serving runtime, in float32 or int8.

Everything goes by way of a SavedModel: Keras' own OpenVINO export leaves 24 transposes in a
MobileNetV2 (16.1 against 7.6 ms), and the SavedModel is what TensorFlow Serving takes.
TensorFlow and NNCF are imported here and nowhere else below the steps.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vision.runtimes import Runtime

if TYPE_CHECKING:
    import keras

    from vision.runtimes.litert_runtime import LiteRTRuntime
    from vision.runtimes.openvino_runtime import OpenVINORuntime


def export_saved_model(model: keras.Model, folder: Path) -> Path:
    """The folder, holding a SavedModel: pixels (N, H, W, 3) float32 0..255 -> logits (N, K)."""
    model.export(folder, format="tf_saved_model", verbose=False)
    return folder


def to_litert(saved_model: Path, calibration: NDArray[np.uint8] | None = None) -> LiteRTRuntime:
    """LiteRT model; int8 with float32 input and output where calibration images (N, H, W, 3) are given."""
    import tensorflow as tf

    from vision.runtimes.litert_runtime import LiteRTRuntime

    converter = tf.lite.TFLiteConverter.from_saved_model(str(saved_model))
    if calibration is None:
        return LiteRTRuntime(converter.convert(), "float32")
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([_batch_of_one(image)] for image in calibration)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    return LiteRTRuntime(converter.convert(), "int8")


def to_openvino(saved_model: Path, calibration: NDArray[np.uint8] | None = None) -> OpenVINORuntime:
    """OpenVINO model; int8 by NNCF where calibration images (N, H, W, 3) are given."""
    import openvino as ov

    from vision.runtimes.openvino_runtime import OpenVINORuntime

    model = ov.convert_model(str(saved_model))
    if calibration is None:
        return OpenVINORuntime(model, "float32")
    import nncf

    samples = nncf.Dataset([_batch_of_one(image) for image in calibration])
    return OpenVINORuntime(nncf.quantize(model, samples, subset_size=len(calibration)), "int8")


def _batch_of_one(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    return image[None].astype(np.float32)


# runtime -> export(saved_model, calibration images or None)
EXPORTERS: dict[str, Callable[[Path, NDArray[np.uint8] | None], Runtime]] = {
    "litert": to_litert,
    "openvino": to_openvino,
}
