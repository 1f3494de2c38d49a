"""A Keras model as a runtime: what training and calibration work with. Never loaded by the service."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

import vision.training.averaging  # noqa: F401 - registers layers that a file may hold
from vision.keras_batches import images_at_a_time, predict
from vision.runtimes import Logits, SplitModel
from vision.runtimes.keras_features import split_in_two

MODEL_FILE = "model.keras"
SPLIT_BATCH_SIZE = 64


class KerasRuntime:
    """Runs on whatever backend and device Keras uses."""

    name = "keras"

    def __init__(self, model: keras.Model, precision: str = "float32") -> None:
        self.model = model
        self.precision = precision

    def logits(self, images: NDArray[np.uint8]) -> Logits:
        answers = predict(self.model, images, batch_size=images_at_a_time(images))
        return np.asarray(answers, dtype=np.float32)

    def split(self) -> SplitModel | None:
        parts = split_in_two(self.model)
        return SplitModel(*map(_call, parts)) if parts else None

    def save(self, folder: Path) -> None:
        self.model.save(folder / MODEL_FILE)


def load(folder: Path, precision: str) -> KerasRuntime:
    """Safe mode: a file that wants to run code is refused."""
    model = keras.saving.load_model(folder / MODEL_FILE, compile=False, safe_mode=True)
    return KerasRuntime(model, precision)


def _call(model: keras.Model) -> Callable[[NDArray[Any]], NDArray[np.float32]]:
    """The model without `predict`, which would compile a graph for a few images."""

    def call(values: NDArray[Any]) -> NDArray[np.float32]:
        batches = np.split(values, range(SPLIT_BATCH_SIZE, len(values), SPLIT_BATCH_SIZE))
        answers = [model(batch.astype(np.float32), training=False) for batch in batches]
        whole = [keras.ops.convert_to_numpy(keras.ops.cast(answer, "float32")) for answer in answers]
        return np.concatenate(whole)

    return call
