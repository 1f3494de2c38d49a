"""OpenVINO: fastest on batches and on wide convolutions."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from vision.runtimes import Logits

MODEL_FILE = "model.xml"
WEIGHTS_FILE = "model.bin"
MAX_BATCH = 32


class OpenVINORuntime:
    """One compiled model; each thread has an inference request of its own."""

    name = "openvino"

    def __init__(self, model: ov.Model, precision: str) -> None:
        self.precision = precision
        self._model = model
        # float32 means float32: on processors with bf16 the plugin would round by default.
        options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
        self._compiled = ov.Core().compile_model(model, "CPU", options)
        self._requests = threading.local()

    def logits(self, images: NDArray[np.uint8]) -> Logits:
        if not hasattr(self._requests, "request"):
            self._requests.request = self._compiled.create_infer_request()
        batches = [
            self._infer(images[start : start + MAX_BATCH]) for start in range(0, len(images), MAX_BATCH)
        ]
        return np.concatenate(batches)

    def _infer(self, images: NDArray[np.uint8]) -> Logits:
        results = self._requests.request.infer([images.astype(np.float32)])
        return np.array(results[0], dtype=np.float32)

    def save(self, folder: Path) -> None:
        ov.save_model(self._model, folder / MODEL_FILE, compress_to_fp16=False)


def load(folder: Path, precision: str) -> OpenVINORuntime:
    return OpenVINORuntime(ov.Core().read_model(folder / MODEL_FILE), precision)
