"""A stand-in for TensorFlow Serving: its REST and gRPC Predict, answered by SavedModels, for the tests.

It reads the same ModelServerConfig, finds versions and labels as the real one says that it does (api_rest.md
and serving_config.md of its documentation), and knows nothing else: no batching, no warm-up, no reloading.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_serving.apis.model_pb2 import ModelSpec
from tensorflow_serving.apis.predict_pb2 import PredictRequest, PredictResponse
from tensorflow_serving.apis.prediction_service_pb2_grpc import (
    PredictionServiceServicer,
    add_PredictionServiceServicer_to_server,
)
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

URL = re.compile(r"/v1/models/([^/:]+)(?:/versions/(\d+)|/labels/([^/:]+))?:predict")


class Double(PredictionServiceServicer):
    """The models of a configuration file, loaded."""

    def __init__(self, config: Path) -> None:
        parsed = text_format.Parse(config.read_text(), ModelServerConfig())
        self.models = {model.name: model for model in parsed.model_config_list.config}
        self.loaded = {
            (model.name, version): tf.saved_model.load(f"{model.base_path}/{version}")
            for model in self.models.values()
            for version in model.model_version_policy.specific.versions
        }

    def Predict(self, request: PredictRequest, context: Any) -> PredictResponse:  # noqa: N802, gRPC's name
        try:
            return self.answer(request)
        except LookupError as error:
            context.abort(grpc.StatusCode.NOT_FOUND, str(error))
        except tf.errors.InvalidArgumentError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, error.message)

    def answer(self, request: PredictRequest) -> PredictResponse:
        signature = self._signature(request.model_spec)
        given = {key: tf.constant(tf.make_ndarray(tensor)) for key, tensor in request.inputs.items()}
        response = PredictResponse(model_spec=request.model_spec)
        for key, tensor in signature(**given).items():
            response.outputs[key].CopyFrom(tf.make_tensor_proto(tensor.numpy()))
        return response

    def answer_json(self, spec: ModelSpec, body: dict[str, Any]) -> dict[str, Any]:
        """In rows: `instances` of a signature's one input, a value or an object a row in `predictions`."""
        spec.signature_name = body.get("signature_name", "serving_default")
        ((key, wanted),) = self._signature(spec).structured_input_signature[1].items()
        request = PredictRequest(model_spec=spec)
        rows = [_decoded(row) for row in body["instances"]]
        request.inputs[key].CopyFrom(tf.make_tensor_proto(rows, wanted.dtype))
        columns = {name: _encoded(tensor) for name, tensor in self.answer(request).outputs.items()}
        if len(columns) == 1:
            return {"predictions": next(iter(columns.values()))}
        return {
            "predictions": [
                dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)
            ]
        }

    def _signature(self, spec: ModelSpec) -> Any:
        if spec.name not in self.models:
            raise LookupError(f"Servable not found for request: Latest({spec.name})")
        model = self.models[spec.name]
        version = spec.version.value or max(model.model_version_policy.specific.versions)
        if spec.version_label:
            if spec.version_label not in model.version_labels:
                raise LookupError(f"Unrecognized servable version label: {spec.version_label}")
            version = model.version_labels[spec.version_label]
        return self.loaded[spec.name, version].signatures[spec.signature_name]


def _decoded(value: Any) -> Any:
    return base64.b64decode(value["b64"], validate=True) if isinstance(value, dict) else value


def _encoded(tensor: Any) -> list[Any]:
    values = tf.make_ndarray(tensor)
    return [value.decode() for value in values] if values.dtype == object else values.tolist()


class _Rest(BaseHTTPRequestHandler):
    double: Double

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name, version, label = URL.fullmatch(self.path).groups(default="")
        spec = ModelSpec(name=name, version_label=label) if label else ModelSpec(name=name)
        if version:
            spec.version.value = int(version)
        try:
            self._reply(200, self.double.answer_json(spec, body))
        except LookupError as error:
            self._reply(404, {"error": str(error)})
        except tf.errors.InvalidArgumentError as error:
            self._reply(400, {"error": error.message})

    def _reply(self, status: int, document: dict[str, Any]) -> None:
        content = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(config: Path) -> Iterator[tuple[str, str]]:
    """The addresses of REST and gRPC on loopback."""
    double = Double(config)
    rest = ThreadingHTTPServer(("127.0.0.1", 0), type("Rest", (_Rest,), {"double": double}))
    thread = threading.Thread(target=rest.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    with ThreadPoolExecutor(2) as threads:
        server = grpc.server(threads)
        add_PredictionServiceServicer_to_server(double, server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        yield f"http://127.0.0.1:{rest.server_port}", f"127.0.0.1:{port}"
        server.stop(grace=None).wait()
    rest.shutdown()
    thread.join()
    rest.server_close()
