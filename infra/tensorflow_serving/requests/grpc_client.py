"""Image files to TensorFlow Serving's gRPC API, by the tensorflow-serving-api package.

Three quarters of the bytes of REST, whose files are base64, and no JSON to read. The package imports
TensorFlow, which takes seconds.
"""

from __future__ import annotations

from collections.abc import Sequence

import grpc
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

TIMEOUT_SECONDS = 10


def classify(
    address: str, model: str, files: Sequence[bytes], label: str | None = None
) -> list[tuple[str, float]]:
    """The most probable class of each JPEG or PNG file and its probability, 0..1.

    The version that bears the label answers, without one the newest. grpc.RpcError carries the server's code
    and message. The channel is not encrypted: 127.0.0.1, or behind a proxy that does it.
    """
    with grpc.insecure_channel(address) as channel:
        stub = PredictionServiceStub(channel)
        request = make_request(model, "serving_bytes", "encoded", np.array(files, object), label)
        answer = stub.Predict(request, timeout=TIMEOUT_SECONDS)
        probabilities = tf.make_ndarray(answer.outputs["probabilities"])
        best = probabilities.argmax(axis=1)
        request = make_request(model, "class_names", "indices", best.astype(np.int64), label)
        names = tf.make_ndarray(stub.Predict(request, timeout=TIMEOUT_SECONDS).outputs["names"])
    return [(name.decode(), float(row.max())) for name, row in zip(names, probabilities, strict=True)]


def make_request(
    model: str, signature: str, name: str, rows: NDArray[np.generic], label: str | None = None
) -> PredictRequest:
    """A request of one input, a row an image: `images` float32, `encoded` bytes or `indices` int64."""
    request = PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = model, signature
    if label:
        request.model_spec.version_label = label
    request.inputs[name].CopyFrom(tf.make_tensor_proto(rows))
    return request
