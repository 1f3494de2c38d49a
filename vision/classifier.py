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
from vision.task import Present, Task, has_class, present_labels
from vision.uncertainty.rules import Judgement, Uncertainty, energy

Probabilities = NDArray[np.float32]


@dataclass(frozen=True)
class ImageClassifier:
    """Bytes or pixels in, calibrated probabilities out.

    `scales` and `biases`: one a class, or none where the temperature does without them. `thresholds`, of a
    multi-label classifier only, 0..1: one a class, or none for 0.5 each. `uncertainty`: None of a classifier
    that has not been calibrated, and in bundles of before there were such rules.
    """

    runtime: Runtime
    preprocessing: Preprocessing
    class_names: tuple[str, ...]
    temperature: float = 1.0
    task: Task = "multi_class"
    thresholds: tuple[float, ...] = ()
    scales: tuple[float, ...] = ()
    biases: tuple[float, ...] = ()
    uncertainty: Uncertainty | None = None

    def __post_init__(self) -> None:
        several, classes = self.task == "multi_label", len(self.class_names)
        fitting = (0, classes) if several else (0,)
        assert len(self.thresholds) in fitting, f"{len(self.thresholds)} thresholds, allowed: {fitting}"
        vector = (len(self.scales), len(self.biases))
        assert vector in ((0, 0), (classes, classes)), f"{vector} scales and biases, allowed: 0 or {classes}"

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
        if self.scales:
            scaled = scaled * np.array(self.scales, np.float32) + np.array(self.biases, np.float32)
        return sigmoid(scaled) if self.task == "multi_label" else softmax(scaled)

    def judge(self, logits: Logits) -> Judgement:
        """The probabilities of logits (N, K), float32, and how far each answer can be trusted."""
        probabilities = self.to_probabilities(logits)
        rules = self.uncertainty or Uncertainty()
        energies = energy(logits, self.task, temperature=rules.energy_temperature)
        return Judgement(
            probabilities=probabilities,
            sets=self._sets(probabilities, rules),
            abstains=np.maximum.reduce(probabilities, axis=1) < rules.abstain_below,
            energy=energies,
            unusual=energies > rules.unusual_above,
        )

    def _sets(self, probabilities: Probabilities, rules: Uncertainty) -> Present:
        if self.task == "multi_label":
            return self.present(probabilities)
        if rules.sets is None:
            return has_class(probabilities.argmax(axis=1), len(self.class_names))
        return rules.sets.apply(probabilities)

    def present(self, probabilities: Probabilities) -> NDArray[np.bool_]:
        """(N, K): the labels that a multi-label classifier gives, those that reach their threshold."""
        return present_labels(probabilities, self.thresholds)

    def classify(self, data: bytes) -> Probabilities:
        """Probabilities (K,) of one encoded image; ImageError where it is not one."""
        probabilities: Probabilities = self.predict(self.preprocessing.apply(data)[None])[0]
        return probabilities

    def with_temperature(self, temperature: float) -> ImageClassifier:
        """Calibrated by one number, in place of what did before; without the rules that relied on that."""
        return replace(self, temperature=float(temperature), scales=(), biases=(), uncertainty=None)

    def with_vector(self, scales: Iterable[float], biases: Iterable[float]) -> ImageClassifier:
        """Calibrated by a scale and a bias a class, likewise."""
        return replace(self, temperature=1.0, scales=tuple(scales), biases=tuple(biases), uncertainty=None)

    def with_thresholds(self, thresholds: Iterable[float]) -> ImageClassifier:
        return replace(self, thresholds=tuple(float(threshold) for threshold in thresholds))

    def with_uncertainty(self, uncertainty: Uncertainty) -> ImageClassifier:
        return replace(self, uncertainty=uncertainty)

    def with_runtime(self, runtime: Runtime) -> ImageClassifier:
        """On another runtime, without the rules of doubt: what they promise is of the logits of this one."""
        return replace(self, runtime=runtime, uncertainty=None)

    def write_files(self, folder: Path) -> dict[str, Any]:
        """Writes the model's files into the folder and returns what bundle.json is to say of them."""
        self.runtime.save(folder)
        return self.description(self.runtime.name, self.runtime.precision)

    def description(self, runtime: str, precision: str) -> dict[str, Any]:
        """What bundle.json says of this classifier on a runtime of that name, in that precision."""
        return {
            "runtime": runtime,
            "precision": precision,
            "preprocessing": self.preprocessing.model_dump(mode="json"),
            "class_names": list(self.class_names),
            "temperature": self.temperature,
            "task": self.task,
            "thresholds": list(self.thresholds),
            "scales": list(self.scales),
            "biases": list(self.biases),
            "uncertainty": self.uncertainty and self.uncertainty.model_dump(mode="json"),
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
        rules = description.get("uncertainty")
        return cls(
            runtime=load_runtime(description["runtime"], folder, description["precision"]),
            preprocessing=Preprocessing.model_validate(description["preprocessing"]),
            class_names=tuple(description["class_names"]),
            temperature=float(description["temperature"]),
            # What bundles did not always hold: the second task and its thresholds, then vectors and rules.
            task=description.get("task", "multi_class"),
            thresholds=tuple(description.get("thresholds", ())),
            scales=tuple(description.get("scales", ())),
            biases=tuple(description.get("biases", ())),
            uncertainty=None if rules is None else Uncertainty.model_validate(rules),
        )


def softmax(logits: Logits) -> Probabilities:
    """Probabilities along the last axis, float32."""
    # The ufuncs themselves: one image's ten numbers take less time than the methods around them.
    shifted = np.exp(logits - np.maximum.reduce(logits, axis=-1, keepdims=True))
    shifted /= np.add.reduce(shifted, axis=-1, keepdims=True)
    return shifted.astype(np.float32, copy=False)


def sigmoid(logits: Logits) -> Probabilities:
    """Probability of each label alone, float32; exact in both tails."""
    small = np.exp(-np.abs(logits))  # never overflows
    probabilities: Probabilities = (np.where(logits >= 0, 1, small) / (1 + small)).astype(np.float32)
    return probabilities
