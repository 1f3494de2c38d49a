"""Another classifier on the same test images, decoded by its own preprocessing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vision.classifier import ImageClassifier, Probabilities
from vision.manifest import Manifest
from vision.prepared import PreparedImages, prepare_images
from vision.task import Labels, Task


@dataclass(frozen=True)
class Answered:
    """Probabilities (N, K) of images; of a multi-label set also thresholds, one a class, or none for 0.5."""

    probabilities: Probabilities
    thresholds: tuple[float, ...] = ()


def select_test(manifest: Manifest) -> Manifest:
    """The manifest's test images, in the order in which `answer_test` answers them."""
    test = manifest.select("test")
    return test.with_table(test.table.sort_values("path"))


def label_test(manifest: Manifest, class_names: tuple[str, ...]) -> Labels:
    """Their labels: indices (N,), or of a multi-label set (N, K) with 1 where the image has the class."""
    labels = select_test(manifest).labels
    if manifest.is_multi_label:
        return np.array([[name in names for name in class_names] for names in labels], np.int64)
    return np.array([class_names.index(name) for (name,) in labels], np.int64)


def answer_test(
    classifier: ImageClassifier, manifest: Manifest, folder: Path, class_names: tuple[str, ...]
) -> Answered:
    """Its answers to the manifest's test images, sorted by path, as probabilities of those classes."""
    prepared = prepare_images(manifest.select("test"), classifier.preprocessing, folder)
    return _answer(classifier, prepared, class_names)


def _answer(classifier: ImageClassifier, prepared: PreparedImages, want: tuple[str, ...]) -> Answered:
    """A class that the classifier has never seen gets probability 0: its images count as wrong.

    The manifest's task is the measure: of a multi-class classifier, labels are what it gives at least 0.5; of
    a multi-label one, the class is its likeliest label.
    """
    task: Task = "multi_label" if prepared.is_multi_label else "multi_class"
    have = classifier.class_names
    probabilities = in_classes(classifier.predict(prepared.images("test")), have, want, task=task)
    thresholds = dict(zip(have, classifier.thresholds, strict=False))
    return Answered(
        probabilities, tuple(thresholds.get(name, 0.5) for name in want) if task == "multi_label" else ()
    )


def in_classes(
    probabilities: NDArray[np.float32],
    have: tuple[str, ...],
    want: tuple[str, ...],
    *,
    task: Task = "multi_class",
) -> NDArray[np.float32]:
    """Probabilities (N, len(have)) as (N, len(want)), columns matched by name.

    Rows are scaled to sum to 1; of a multi-label set each probability stands for itself and stays.
    """
    if have == want:
        return probabilities
    aligned = np.zeros((len(probabilities), len(want)), np.float32)
    for column, name in enumerate(want):
        if name in have:
            aligned[:, column] = probabilities[:, have.index(name)]
    return aligned if task == "multi_label" else _scaled(aligned, have, want)


def _scaled(
    aligned: NDArray[np.float32], have: tuple[str, ...], want: tuple[str, ...]
) -> NDArray[np.float32]:
    # Nothing left: undecided among the classes it knows, so that an unknown one cannot win the tie.
    known = np.array([name in have for name in want], np.float32)
    undecided = known if known.any() else np.ones(len(want), np.float32)
    aligned[aligned.sum(axis=1) == 0] = undecided
    scaled: NDArray[np.float32] = aligned / aligned.sum(axis=1, keepdims=True)
    return scaled
