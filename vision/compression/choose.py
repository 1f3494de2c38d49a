"""Which converted classifier serves: the fastest whose validation accuracy stays within the budget."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from vision.classifier import ImageClassifier
from vision.compression.table import CompressionTable, Measurement
from vision.decoding import Pixels
from vision.metrics import measure
from vision.prepared import LabelledImages

ROUNDS = 15
CALLS_A_ROUND = 5
# Accuracies are shares of a count: a drop of exactly the budget must not fail by a rounding error.
ROUNDING = 1e-9


def choose_fastest(
    original: ImageClassifier,
    candidates: Sequence[ImageClassifier],
    validation: LabelledImages,
    *,
    max_accuracy_drop: float,
) -> tuple[ImageClassifier, CompressionTable]:
    """The fastest candidate within the budget, and the table of all.

    A float32 candidate is always within it: it is the original model on another runtime. int8 may lose
    `max_accuracy_drop` percentage points.
    """
    everyone = [original, *candidates]
    accuracies = [_accuracy(classifier, validation) for classifier in everyone]
    latencies = paired_latency_ms(everyone, validation.images[:1])
    rows = [
        _measurement(classifier, accuracy, latency, before=accuracies[0], budget=max_accuracy_drop)
        for classifier, accuracy, latency in zip(everyone, accuracies, latencies, strict=True)
    ]
    allowed = [index for index in range(1, len(rows)) if rows[index].is_within_budget]
    best = min(allowed, key=lambda index: rows[index].latency_ms)
    rows[best] = rows[best].model_copy(update={"is_chosen": True})
    return everyone[best], CompressionTable(rows=tuple(rows), max_accuracy_drop=max_accuracy_drop)


def _measurement(
    classifier: ImageClassifier, accuracy: float, latency: float, *, before: float, budget: float
) -> Measurement:
    drop = 100 * (before - accuracy)
    return Measurement(
        runtime=classifier.runtime.name,
        precision=classifier.runtime.precision,
        accuracy=accuracy,
        accuracy_drop_points=drop,
        size_bytes=classifier.size_bytes,
        latency_ms=latency,
        is_within_budget=classifier.runtime.precision == "float32" or drop <= budget + ROUNDING,
    )


def paired_latency_ms(classifiers: Sequence[ImageClassifier], image: Pixels) -> list[float]:
    """Median milliseconds for one image (1, H, W, 3), the classifiers taking turns in each round.

    Turns, because a shared machine's speed drifts: each sees the same fast and slow seconds.
    """
    for classifier in classifiers:
        classifier.runtime.logits(image)
    times: list[list[float]] = [[] for _ in classifiers]
    for _ in range(ROUNDS):
        for taken, classifier in zip(times, classifiers, strict=True):
            started = time.perf_counter()
            for _ in range(CALLS_A_ROUND):
                classifier.runtime.logits(image)
            taken.append((time.perf_counter() - started) / CALLS_A_ROUND)
    return [1000 * float(np.median(taken)) for taken in times]


def _accuracy(classifier: ImageClassifier, validation: LabelledImages) -> float:
    """Share of images answered right; multi-label: with all of their labels and no other."""
    probabilities = classifier.predict(validation.images)
    return measure("accuracy", validation.labels, probabilities, thresholds=classifier.thresholds)
