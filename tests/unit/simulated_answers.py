"""Classifiers whose logits are given, and logits whose probabilities are true: what labels were drawn by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vision.classifier import ImageClassifier
from vision.prepared import LabelledImages
from vision.preprocessing import Preprocessing
from vision.task import Task


def drawn_classes(
    images: int, classes: int, *, spread: float = 2.5, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Logits (N, K), float32, and labels (N,) drawn by their softmax."""
    random = np.random.default_rng(seed)
    logits = random.normal(scale=spread, size=(images, classes)).astype(np.float32)
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return logits, (chances.cumsum(axis=1) > random.random((images, 1))).argmax(axis=1)


def drawn_labels(images: int, labels: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits (N, K), float32, and labels (N, K), 0 or 1, drawn by their sigmoid."""
    random = np.random.default_rng(seed)
    logits = random.normal(-0.5, 2, (images, labels)).astype(np.float32)
    return logits, (random.random(logits.shape) < 1 / (1 + np.exp(-logits))).astype(np.int64)


@dataclass
class TableRuntime:
    """The three bytes of an image are the row of its logits."""

    table: np.ndarray
    name: str = "litert"
    precision: str = "float32"

    def logits(self, images: np.ndarray) -> np.ndarray:
        rows: np.ndarray = images[:, 0, 0].astype(int) @ [1, 256, 65536]
        return self.table[rows].astype(np.float32)


def classifier_of(logits: np.ndarray, task: Task = "multi_class") -> ImageClassifier:
    names = tuple(f"class {index}" for index in range(logits.shape[1]))
    return ImageClassifier(TableRuntime(logits), Preprocessing(), names, task=task)  # type: ignore[arg-type]


def images_of(labels: np.ndarray) -> LabelledImages:
    """The images (N, 1, 1, 3) whose logits are the rows 0..N-1."""
    rows = np.arange(len(labels))
    images = np.stack([rows % 256, rows // 256 % 256, rows // 65536], axis=1)
    return LabelledImages(images.astype(np.uint8)[:, None, None, :], labels)
