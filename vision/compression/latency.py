"""How long classifiers take for one image, measured so that a machine's moods are the same for all."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from vision.classifier import ImageClassifier
from vision.decoding import Pixels

ROUNDS = 15
CALLS_A_ROUND = 5


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
