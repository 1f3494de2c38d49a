"""A Keras model as the file of a runtime, in float32 or int8; those that serve can also be explained.

Everything goes by way of a SavedModel: Keras' own OpenVINO export leaves 24 transposes in a
MobileNetV2 (16.1 against 7.6 ms), and the SavedModel is what TensorFlow Serving takes.
TensorFlow and NNCF are imported here and nowhere else below the steps.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vision.runtimes import SplitModel

if TYPE_CHECKING:
    import keras
    import nncf

    from vision.runtimes.litert_runtime import LiteRTRuntime
    from vision.runtimes.onnx_runtime import ONNXRuntime
    from vision.runtimes.openvino_runtime import OpenVINORuntime

logger = logging.getLogger(__name__)

# The newest that tf2onnx 1.17 writes; ONNX Runtime and TensorRT 10 read it.
ONNX_OPSET = 18
# How like a tensor of the converted model must be to Keras' feature map (correlation), and how far, as a
# share of the largest, logits by way of the split may be from the model's own. Over int8 models of every
# untrained architecture: 0.94 or more and 0.33 or less.
MIN_LIKENESS = 0.9
HEAD_TOLERANCE = 0.5


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
    converter.representative_dataset = lambda: ([batch_of_one(image)] for image in calibration)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    return LiteRTRuntime(converter.convert(), "int8")


def to_openvino(
    saved_model: Path, calibration: NDArray[np.uint8] | None = None, *, float_stem: bool = False
) -> OpenVINORuntime:
    """OpenVINO model; int8 by NNCF where calibration images (N, H, W, 3) are given.

    Biases are corrected layer by layer, each after those before it: NNCF's quick way, its default, takes each
    by itself, in half the time, and the answers stay farther from float32's (tests/unit/test_compression.py).

    `float_stem` leaves the convolutions of the pixels in float32. One that whitens takes small differences of
    neighbouring pixels by large weights, and what 8 bits round off of the weights is not small beside them.
    """
    import openvino as ov

    from vision.runtimes.openvino_graph import stem
    from vision.runtimes.openvino_runtime import OpenVINORuntime

    model = ov.convert_model(str(saved_model))
    if calibration is None:
        return OpenVINORuntime(model, "float32")
    import nncf

    samples = nncf.Dataset([batch_of_one(image) for image in calibration])
    quantised = nncf.quantize(
        model,
        samples,
        subset_size=len(calibration),
        fast_bias_correction=False,
        ignored_scope=nncf.IgnoredScope(names=stem(model)) if float_stem else None,
        advanced_parameters=whole_ranges(),
    )
    return OpenVINORuntime(quantised, "int8_float_stem" if float_stem else "int8")


def whole_ranges() -> nncf.AdvancedQuantizationParameters:
    """Activations' ranges reach to the largest value that any calibration image has.

    NNCF's own reach to the mean over images of each one's largest, and cut off what brighter images have. On
    validation images of CIFAR-10 the largest change of a probability is 0.015 on average, with NNCF's 0.022;
    on groceries both have 0.09.
    """
    import nncf
    from nncf.quantization.range_estimator import RangeEstimatorParametersSet

    return nncf.AdvancedQuantizationParameters(
        activations_range_estimator_params=RangeEstimatorParametersSet.MINMAX
    )


def to_onnx(saved_model: Path) -> ONNXRuntime:
    """ONNX model of any batch: `images` -> `logits`; onnx's ValidationError names an operation that it lacks.

    By way of the SavedModel: from the Keras model, tf2onnx makes inputs of its normalisation's constants.
    """
    import onnx
    from tf2onnx import convert, tf_loader

    from vision.runtimes.onnx_runtime import ONNXRuntime

    graph, inputs, outputs = tf_loader.from_saved_model(
        str(saved_model), None, None, tag="serve", signatures=["serving_default"]
    )
    model, _ = convert.from_graph_def(
        graph,
        input_names=inputs,
        output_names=outputs,
        opset=ONNX_OPSET,
        tensors_to_rename={inputs[0]: "images", outputs[0]: "logits"},
    )
    onnx.checker.check_model(model)  # tf2onnx only logs what it could not convert
    return ONNXRuntime(model.SerializeToString(), "float32")


def mark_features(
    runtime: LiteRTRuntime | OpenVINORuntime, original: SplitModel | None, images: NDArray[np.uint8]
) -> LiteRTRuntime | OpenVINORuntime:
    """The converted model with the place at which `original`, its Keras model, was split, known to it too.

    Found by what it holds for a few images (N, H, W, 3); where it is not found the model is as it was, and
    explanations occlude. The logits are the same either way, and nothing more is computed for them.
    """
    if original is None:
        logger.info("no feature map in the Keras model: the converted models are explained by occlusion")
        return runtime
    expected, logits = original.features(images), runtime.logits(images)
    places: Sequence[Any] = runtime.places(expected.shape[1:])
    for place in reversed(places):
        marked = runtime.with_features(place)
        try:
            if _splits_there(marked.split(), images, expected, logits):
                return marked
        except (RuntimeError, ValueError) as error:  # an operation that the engine has in int8 only
            logger.warning("%s %s cannot be split: %s", runtime.name, runtime.precision, error)
    logger.warning(
        "no feature map of shape %s in %s %s: it is explained by occlusion",
        expected.shape[1:],
        runtime.name,
        runtime.precision,
    )
    return runtime


def _splits_there(
    split: SplitModel | None,
    images: NDArray[np.uint8],
    expected: NDArray[np.float32],
    logits: NDArray[np.float32],
) -> bool:
    if split is None:
        return False
    features = split.features(images)
    if _likeness(features, expected) < MIN_LIKENESS:
        return False
    far = np.abs(split.head(features) - logits).max()
    return bool(far <= HEAD_TOLERANCE * np.abs(logits).max())


def _likeness(features: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    """Correlation; 0 where one of the two is the same everywhere."""
    if not features.std() or not expected.std():
        return 0.0
    return float(np.corrcoef(features.ravel(), expected.ravel())[0, 1])


def batch_of_one(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    return image[None].astype(np.float32)


# runtime -> export(saved_model, calibration images or None)
EXPORTERS: dict[str, Callable[[Path, NDArray[np.uint8] | None], LiteRTRuntime | OpenVINORuntime]] = {
    "litert": to_litert,
    "openvino": to_openvino,
}
