"""ImageClassifier: a model with its preprocessing, class names and calibration; what a bundle holds.

Only here do logits become probabilities. It imports no TensorFlow: the service uses this same class.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vision.bundle import atomic_folder, open_bundle, seal
from vision.image_array import ImageArray, chunks
from vision.preprocessing import Preprocessing
from vision.runtimes import Logits, Runtime, load_runtime
from vision.task import Task, present_labels

Probabilities = NDArray[np.float32]


@dataclass(frozen=True)
class ImageClassifier:
    """Bytes or pixels in, calibrated probabilities out.

    `thresholds`, of a multi-label classifier only, 0..1: one a class, or none for 0.5 each.
    """

    runtime: Runtime
    preprocessing: Preprocessing
    class_names: tuple[str, ...]
    temperature: float = 1.0
    task: Task = "multi_class"
    thresholds: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        fitting = (0, len(self.class_names)) if self.task == "multi_label" else (0,)
        assert len(self.thresholds) in fitting, f"{len(self.thresholds)} thresholds, allowed: {fitting}"

    def logits(self, images: ImageArray) -> Logits:
        """Logits (N, K), float32, of preprocessed images (N, H, W, 3), uint8 0..255."""
        parts = [self.runtime.logits(chunk) for chunk in chunks(images)]
        return np.concatenate(parts) if parts else np.zeros((0, len(self.class_names)), np.float32)

    def predict(self, images: ImageArray) -> Probabilities:
        """Probabilities (N, K), float32 0..1, of preprocessed images (N, H, W, 3).

        Rows sum to 1, except of a multi-label classifier: there each is of its label alone.
        """
        return self.to_probabilities(self.logits(images))

    def to_probabilities(self, logits: Logits) -> Probabilities:
        """Calibrated probabilities of logits, both (N, K), float32."""
        scaled = logits / np.float32(self.temperature)
        return sigmoid(scaled) if self.task == "multi_label" else softmax(scaled)

    def present(self, probabilities: Probabilities) -> NDArray[np.bool_]:
        """(N, K): the labels that a multi-label classifier gives, those that reach their threshold."""
        return present_labels(probabilities, self.thresholds)

    def classify(self, data: bytes) -> Probabilities:
        """Probabilities (K,) of one encoded image; ImageError where it is not one."""
        probabilities: Probabilities = self.predict(self.preprocessing.apply(data)[None])[0]
        return probabilities

    def with_temperature(self, temperature: float) -> ImageClassifier:
        return replace(self, temperature=float(temperature))

    def with_thresholds(self, thresholds: Iterable[float]) -> ImageClassifier:
        return replace(self, thresholds=tuple(float(threshold) for threshold in thresholds))

    def with_runtime(self, runtime: Runtime) -> ImageClassifier:
        return replace(self, runtime=runtime)

    def write_files(self, folder: Path) -> dict[str, Any]:
        """Writes the model's files into the folder and returns what bundle.json is to say of them."""
        self.runtime.save(folder)
        return {
            "runtime": self.runtime.name,
            "precision": self.runtime.precision,
            "preprocessing": self.preprocessing.model_dump(mode="json"),
            "class_names": list(self.class_names),
            "temperature": self.temperature,
            "task": self.task,
            "thresholds": list(self.thresholds),
        }

    @property
    def digest(self) -> str:
        """Hex sha256 of all that `save` writes: equal classifiers have equal digests."""
        with tempfile.TemporaryDirectory() as parent:
            return self.save(Path(parent) / "classifier")

    @property
    def size_bytes(self) -> int:
        """Bytes of the model's files."""
        with tempfile.TemporaryDirectory() as folder:
            self.runtime.save(Path(folder))
            return sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())

    def save(self, folder: Path) -> str:
        """Writes a sealed folder, whole or not at all; returns its digest."""
        with atomic_folder(folder) as temporary:
            return seal(temporary, self.write_files(temporary))

    @classmethod
    def load(cls, folder: Path) -> ImageClassifier:
        """The classifier of a sealed folder; BundleError before anything is run if a hash differs."""
        description = open_bundle(folder)
        return cls(
            runtime=load_runtime(description["runtime"], folder, description["precision"]),
            preprocessing=Preprocessing.model_validate(description["preprocessing"]),
            class_names=tuple(description["class_names"]),
            temperature=float(description["temperature"]),
            # Bundles of before there was a second task do not name theirs.
            task=description.get("task", "multi_class"),
            thresholds=tuple(description.get("thresholds", ())),
        )


def softmax(logits: Logits) -> Probabilities:
    """Probabilities along the last axis, float32."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probabilities: Probabilities = (shifted / shifted.sum(axis=-1, keepdims=True)).astype(np.float32)
    return probabilities


def sigmoid(logits: Logits) -> Probabilities:
    """Probability of each label alone, float32; exact in both tails."""
    small = np.exp(-np.abs(logits))  # never overflows
    probabilities: Probabilities = (np.where(logits >= 0, 1, small) / (1 + small)).astype(np.float32)
    return probabilities
