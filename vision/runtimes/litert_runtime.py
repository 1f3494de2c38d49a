"""LiteRT (TensorFlow Lite): quickest to start, smallest in memory, fastest at batch 1 on most nets."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from vision.runtimes import Logits

MODEL_FILE = "model.tflite"
MAX_BATCH = 32


class LiteRTRuntime:
    """One interpreter, resized when the batch changes; calls take turns."""

    name = "litert"

    def __init__(self, model: bytes, precision: str) -> None:
        self.precision = precision
        self._model = model
        self._lock = threading.Lock()
        self._interpreter = Interpreter(model_content=model, num_threads=os.cpu_count())
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._output = self._interpreter.get_output_details()[0]["index"]
        self._batch = 0

    def logits(self, images: NDArray[np.uint8]) -> Logits:
        with self._lock:
            batches = [
                self._invoke(images[start : start + MAX_BATCH]) for start in range(0, len(images), MAX_BATCH)
            ]
        return np.concatenate(batches)

    def _invoke(self, images: NDArray[np.uint8]) -> Logits:
        if len(images) != self._batch:
            self._interpreter.resize_tensor_input(self._input, images.shape)
            self._interpreter.allocate_tensors()
            self._batch = len(images)
        self._interpreter.set_tensor(self._input, images.astype(np.float32))
        self._interpreter.invoke()
        logits: Logits = self._interpreter.get_tensor(self._output)
        return logits

    def save(self, folder: Path) -> None:
        (folder / MODEL_FILE).write_bytes(self._model)


def load(folder: Path, precision: str) -> LiteRTRuntime:
    return LiteRTRuntime((folder / MODEL_FILE).read_bytes(), precision)
