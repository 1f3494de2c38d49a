"""Temperature scaling: one number that makes stated confidence agree with accuracy.

Guo et al. 2017, On Calibration of Modern Neural Networks. Dividing logits by it changes no answer.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vision.classifier import ImageClassifier
from vision.errors import DataError
from vision.prepared import LabelledImages

# Beyond these a network is broken, not miscalibrated.
TEMPERATURE_RANGE = (0.05, 20.0)


def fit_temperature(logits: NDArray[np.floating[Any]], labels: NDArray[np.integer[Any]]) -> float:
    """Temperature within TEMPERATURE_RANGE that minimises the NLL of validation logits (N, K).

    The right class's target is (N + 1) / (N + 2), not 1, as in Platt 1999 (section 2.2): where all N
    images are right the plain NLL has its minimum at temperature 0, and certainty would be claimed from
    a few hundred images. Elsewhere this changes the temperature by the order of 1/N.
    """
    from scipy.optimize import minimize_scalar

    _check(logits, labels)
    scores = logits.astype(np.float64)
    wrong_target = 1 / (len(labels) + 2)

    def loss(log_temperature: float) -> float:
        likelihoods = log_softmax(scores / np.exp(log_temperature))
        right = likelihoods[np.arange(len(labels)), labels]
        others = (likelihoods.sum(axis=1) - right) / max(1, likelihoods.shape[1] - 1)
        return float(-((1 - wrong_target) * right + wrong_target * others).mean())

    bounds = tuple(np.log(TEMPERATURE_RANGE))
    found = float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))
    return float(np.clip(found, *TEMPERATURE_RANGE))


def calibrate_classifier(classifier: ImageClassifier, validation: LabelledImages) -> ImageClassifier:
    """The classifier with the temperature that fits its logits of validation images."""
    logits = classifier.logits(validation.images)
    return classifier.with_temperature(fit_temperature(logits, validation.labels))


def log_softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logarithm of the softmax along the last axis; finite for finite scores."""
    shifted = scores - scores.max(axis=-1, keepdims=True)
    result: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return result


def _check(logits: NDArray[np.floating[Any]], labels: NDArray[np.integer[Any]]) -> None:
    if logits.ndim != 2 or labels.shape != logits.shape[:1] or not len(labels):
        raise DataError(
            f"cannot calibrate on logits of shape {logits.shape} and labels of shape {labels.shape}:"
            " allowed are (N, K) and (N,) with N of at least 1; raise config.split.validation"
        )
    if not np.isfinite(logits).all():
        raise DataError("cannot calibrate: logits are not finite; lower config.train.learning_rate")
