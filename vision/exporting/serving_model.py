"""A classifier as TensorFlow Serving takes it: a SavedModel with its calibration, and files as input.

    <base>/<version>/saved_model.pb, variables/, assets.extra/tf_serving_warmup_requests

Three signatures, each over rows, so that Serving may batch them and REST may ask for them:

    serving_default   images (N, H, W, 3) float32 0..255  -> probabilities (N, K), logits (N, K)
    serving_bytes     encoded (N,) string, JPEG or PNG    -> the same
    class_names       indices (N,) int64, 0..K-1          -> names (N,) string
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from vision.classifier import ImageClassifier
from vision.exporting.serving_pixels import check_graph_can, preprocess
from vision.golden import hostile_images
from vision.runtimes.keras_runtime import KerasRuntime

VERSION = 1
WARMUP_FILE = "assets.extra/tf_serving_warmup_requests"
WARMUP_IMAGES = ("noise.png", "exif_6.jpg")  # of the golden images: each way of decoding


def export_serving_model(classifier: ImageClassifier, base: Path) -> Path:
    """The folder of the version, new below `base`; ConfigError for a preprocessing that no graph does."""
    assert isinstance(classifier.runtime, KerasRuntime)
    preprocessing, model = classifier.preprocessing, classifier.runtime.model
    check_graph_can(preprocessing)
    names = tf.constant(classifier.class_names)
    pixels = tf.TensorSpec((None, *preprocessing.image_size, 3), tf.float32, name="images")

    def answer(images: tf.Tensor) -> dict[str, tf.Tensor]:
        logits = tf.cast(model(images, training=False), tf.float32)
        return {"probabilities": to_probabilities(logits, classifier), "logits": logits}

    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint("serving_default", answer, [pixels])
    archive.add_endpoint(
        "serving_bytes",
        lambda encoded: answer(preprocess(encoded, preprocessing)),
        [tf.TensorSpec((None,), tf.string, name="encoded")],
    )
    archive.add_endpoint(
        "class_names",
        lambda indices: {"names": tf.gather(names, indices)},
        [tf.TensorSpec((None,), tf.int64, name="indices")],
    )
    folder = base / str(VERSION)
    archive.write_out(folder, verbose=False)
    _write_warmup(folder / WARMUP_FILE, pixels)
    return folder


def to_probabilities(logits: tf.Tensor, classifier: ImageClassifier) -> tf.Tensor:
    """ImageClassifier.to_probabilities in a graph: (N, K) -> (N, K), float32."""
    scaled = logits / classifier.temperature
    if classifier.scales:
        scaled = scaled * tf.constant(classifier.scales) + tf.constant(classifier.biases)
    return tf.sigmoid(scaled) if classifier.task == "multi_label" else tf.nn.softmax(scaled)


def _write_warmup(path: Path, pixels: tf.TensorSpec) -> None:
    """Requests that TensorFlow Serving answers to itself before it takes others: the first would be slow."""
    golden = hostile_images()
    encoded = tf.make_tensor_proto([golden[name] for name in WARMUP_IMAGES])
    # One value for the whole shape: a proto may be shorter than its tensor, and its last value goes on.
    black = tf.make_tensor_proto(0.0, shape=(1, *pixels.shape[1:]))
    path.parent.mkdir()
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(_prediction_log("serving_default", "images", black))
        writer.write(_prediction_log("serving_bytes", "encoded", encoded))


def _prediction_log(signature: str, name: str, tensor: Any) -> bytes:
    """A request as TensorFlow Serving's warm-up reads it."""
    from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

    log = PredictionLog()
    request = log.predict_log.request
    request.model_spec.signature_name = signature
    request.inputs[name].CopyFrom(tensor)
    serialized: bytes = log.SerializeToString()
    return serialized
