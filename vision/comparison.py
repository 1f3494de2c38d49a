"""Another classifier on the same test images, decoded by its own preprocessing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vision.classifier import ImageClassifier
from vision.manifest import Manifest
from vision.metrics import METRICS
from vision.prepared import prepare_images
from vision.promotion import Scores


def score_on_test(classifier: ImageClassifier, manifest: Manifest, folder: Path) -> Scores:
    """What the gate looks at, for the manifest's test images, prepared below `folder`.

    A class that the classifier has never seen gets probability 0: its images count as wrong.
    """
    prepared = prepare_images(manifest.select("test"), classifier.preprocessing, folder)
    labels = prepared.labels("test")
    probabilities = in_classes(
        classifier.predict(prepared.images("test")), classifier.class_names, prepared.class_names
    )
    return Scores(
        accuracy=METRICS["accuracy"](labels, probabilities),
        ece=METRICS["ece"](labels, probabilities),
        images=len(labels),
    )


def in_classes(
    probabilities: NDArray[np.float32], have: tuple[str, ...], want: tuple[str, ...]
) -> NDArray[np.float32]:
    """Probabilities (N, len(have)) as (N, len(want)), columns matched by name, rows scaled to sum to 1."""
    if have == want:
        return probabilities
    aligned = np.zeros((len(probabilities), len(want)), np.float32)
    for column, name in enumerate(want):
        if name in have:
            aligned[:, column] = probabilities[:, have.index(name)]
    # Nothing left: undecided among the classes it knows, so that an unknown one cannot win the tie.
    known = np.array([name in have for name in want], np.float32)
    undecided = known if known.any() else np.ones(len(want), np.float32)
    aligned[aligned.sum(axis=1) == 0] = undecided
    scaled: NDArray[np.float32] = aligned / aligned.sum(axis=1, keepdims=True)
    return scaled
