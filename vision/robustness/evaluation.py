"""A classifier's accuracy on some of the test images under every disturbance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vision.classifier import ImageClassifier
from vision.errors import DataError
from vision.image_array import ImageArray, Pixels
from vision.intervals import MetricEstimate, estimate
from vision.parallel import map_in_threads
from vision.robustness import DisturbedScore, Robustness
from vision.robustness.disturbances import DISTURBANCES, Disturbance
from vision.task import Labels

CLEAN = Disturbance("clean", "", lambda image, _: image)
# Disturbed images that a thread holds: 10 MB of them at 224 pixels.
BATCH = 64


def evaluate_robustness(
    classifier: ImageClassifier, images: ImageArray, labels: Labels, *, limit: int, seed: int
) -> Robustness:
    """Accuracy (the share of images that are wholly right) on at most `limit` of the test images.

    Preprocessed images (N, H, W, 3), uint8; labels (N,), 0..K-1, or (N, K), 0 or 1. DataError where there is
    no image, or the labels do not fit.
    """
    if not 0 < len(images) == len(labels):
        raise DataError(
            f"robustness needs at least one image and a label for each: received {len(images)} images and"
            f" {len(labels)} labels; where the test split is empty, set config.split.test"
        )
    rows = draw_images(labels, limit, seed=seed)
    chosen, answers = images[rows], labels[rows]

    def score(disturbance: Disturbance) -> MetricEstimate:
        batches = [chosen[start : start + BATCH] for start in range(0, len(chosen), BATCH)]
        logits = [classifier.logits(_disturbed(batch, disturbance, seed)) for batch in batches]
        probabilities = classifier.to_probabilities(np.concatenate(logits))
        return estimate("accuracy", answers, probabilities, thresholds=classifier.thresholds)

    clean, *scores = map_in_threads(score, (CLEAN, *DISTURBANCES), description="robustness")
    return Robustness(
        images=len(rows),
        clean=clean,
        scores=tuple(
            DisturbedScore(disturbance=row.name, strength=row.strength, accuracy=accuracy)
            for row, accuracy in zip(DISTURBANCES, scores, strict=True)
        ),
    )


def draw_images(labels: Labels, limit: int, *, seed: int) -> NDArray[np.intp]:
    """Rising row numbers of `limit` images, or of all; each class, or set of labels, in proportion.

    Each image is as likely as any other, those of rare classes too, so accuracy on them is not biased: the
    images of a class stand at even distances on a line from 0 to 1, from a random start, and those nearest
    to 0 are drawn (systematic sampling).
    """
    rng = np.random.default_rng(seed)
    _, group, sizes = np.unique(labels, axis=0, return_inverse=True, return_counts=True)
    shuffled = rng.permutation(len(labels))
    by_group = shuffled[np.argsort(group[shuffled], kind="stable")]
    rank = np.empty(len(labels))
    rank[by_group] = np.arange(len(labels)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    place = (rank + rng.random(len(sizes))[group]) / sizes[group]
    drawn: NDArray[np.intp] = np.sort(np.argsort(place, kind="stable")[:limit])
    return drawn


def _disturbed(images: Pixels, disturbance: Disturbance, seed: int) -> Pixels:
    return np.stack([disturbance.apply(image, seed) for image in images])
