"""ONNX Runtime: runs an export where it is compared with the original and measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from vision.runtimes import Logits, in_batches

MODEL_FILE = "model.onnx"


class ONNXRuntime:
    """One session on the CPU; it may be run by several threads at once."""

    name = "onnx"

    def __init__(self, model: bytes, precision: str) -> None:
        self.precision = precision
        self._model = model
        self._session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name

    def logits(self, images: NDArray[np.uint8]) -> Logits:
        return in_batches(self._run, images)

    def save(self, folder: Path) -> None:
        (folder / MODEL_FILE).write_bytes(self._model)

    def _run(self, batch: NDArray[np.uint8]) -> Logits:
        (logits,) = self._session.run(None, {self._input: batch.astype(np.float32)})
        return np.asarray(logits, np.float32)


def load(folder: Path, precision: str) -> ONNXRuntime:
    return ONNXRuntime((folder / MODEL_FILE).read_bytes(), precision)
