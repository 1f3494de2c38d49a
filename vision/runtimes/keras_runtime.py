"""A Keras model as a runtime: what training and calibration work with. Never loaded by the service."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

import vision.training.averaging  # noqa: F401 - registers layers that a file may hold
from vision.runtimes import Logits

MODEL_FILE = "model.keras"
BATCH_SIZE = 256


class KerasRuntime:
    """Runs on whatever backend and device Keras uses."""

    name = "keras"

    def __init__(self, model: keras.Model, precision: str = "float32") -> None:
        self.model = model
        self.precision = precision

    def logits(self, images: NDArray[np.uint8]) -> Logits:
        logits = self.model.predict(images, batch_size=BATCH_SIZE, verbose=0)
        return np.asarray(logits, dtype=np.float32)

    def save(self, folder: Path) -> None:
        self.model.save(folder / MODEL_FILE)


def load(folder: Path, precision: str) -> KerasRuntime:
    """Safe mode: a file that wants to run code is refused."""
    model = keras.saving.load_model(folder / MODEL_FILE, compile=False, safe_mode=True)
    return KerasRuntime(model, precision)
