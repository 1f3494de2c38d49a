"""A SavedModel as TensorFlow Serving runs it: what an export is compared with the original by."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from vision.errors import BundleError
from vision.runtimes import Logits, in_batches


class SavedModelRuntime:
    """`folder` is that of one version, with saved_model.pb in it."""

    name = "saved_model"

    def __init__(self, folder: Path, precision: str) -> None:
        self.precision = precision
        self._folder = folder
        self._model = tf.saved_model.load(
            str(folder)
        )  # kept: signatures hold its variables by a weak reference

    def logits(self, images: NDArray[np.uint8]) -> Logits:
        return in_batches(self._run, images)

    def save(self, folder: Path) -> None:
        shutil.copytree(self._folder, folder / self._folder.name)

    def _run(self, batch: NDArray[np.uint8]) -> Logits:
        answer = self._model.signatures["serving_default"](images=tf.constant(batch, tf.float32))
        return np.asarray(answer["logits"], np.float32)


def load(folder: Path, precision: str) -> SavedModelRuntime:
    """Of the versions in the folder the greatest, as TensorFlow Serving chooses."""
    versions = [path for path in folder.iterdir() if path.name.isdecimal()]
    if not versions:
        raise BundleError(f"no SavedModel in {folder}: it has no folder named after a version's number")
    return SavedModelRuntime(max(versions, key=lambda path: int(path.name)), precision)
