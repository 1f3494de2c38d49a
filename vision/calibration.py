"""Validation images -> confidence that agrees with accuracy, labels' thresholds, and rules for the doubtful.

Temperature scaling (Guo et al. 2017, On Calibration of Modern Neural Networks) divides logits by one number.
It changes no likeliest class, and takes no label's probability across 0.5: a label that is given too rarely
needs a bias (`method: vector`), or a threshold. What promises something of new images is fitted to images
that the temperature has not seen.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vision.classifier import ImageClassifier
from vision.config import CalibrateConfig
from vision.errors import ConfigError, DataError
from vision.prepared import LabelledImages
from vision.task import Labels, Probabilities, task_of
from vision.uncertainty.abstention import Answers, fit_abstention
from vision.uncertainty.conformal import fit_sets
from vision.uncertainty.label_recall import fit_recall_threshold
from vision.uncertainty.rules import Uncertainty, energy
from vision.uncertainty.vector_scaling import fit_vector

Logits = NDArray[np.floating[Any]]
# Beyond these a network is broken, not miscalibrated.
TEMPERATURE_RANGE = (0.05, 20.0)
USUAL_THRESHOLD = 0.5
# How many images the belief in 0.5 is worth. Simulated (labels that 5 to 97 % of 72 or 300 images have, F1 on
# 5,000 new ones): where 97 % of 72 have the label, the thresholds' standard deviation falls from 0.18 with 0
# to 0.08 with 3; F1 moves by -0.04 to +0.04, on average not at all. 10 costs up to 0.12 where 10 % have it.
PRIOR_IMAGES = 3
# Of validation images, the share that is not called unusual. At 0.95, the level of the papers' comparisons,
# every twentieth ordinary image would raise an alarm, and people soon look at none of them.
USUAL_SHARE = 0.99
# The logits of an average (test-time augmentation, ensembles) are logarithms of probabilities: at 1 their
# energy is 0, whatever the image. At this one the greatest logits count; `python -m benchmarks robustness`.
ENERGY_TEMPERATURE = 0.2


def fit_temperature(logits: Logits, labels: Labels) -> float:
    """Temperature within TEMPERATURE_RANGE that minimises the NLL of validation logits (N, K).

    Labels are (N,), or (N, K) of a multi-label set, where the NLL is the mean binary cross-entropy.
    The right answer's target is (N + 1) / (N + 2), not 1, as in Platt 1999 (section 2.2): where all N
    images are right the plain NLL has its minimum at temperature 0, and certainty would be claimed from
    a few hundred images. Elsewhere this changes the temperature by the order of 1/N.
    """
    from scipy.optimize import minimize_scalar

    _check(logits, labels)
    scores = logits.astype(np.float64)
    wrong_target = 1 / (len(labels) + 2)
    likelihoods = _of_labels if task_of(labels) == "multi_label" else _of_classes

    def loss(log_temperature: float) -> float:
        right, wrong = likelihoods(scores / np.exp(log_temperature), labels)
        return float(-((1 - wrong_target) * right + wrong_target * wrong).mean())

    bounds = tuple(np.log(TEMPERATURE_RANGE))
    found = float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))
    return float(np.clip(found, *TEMPERATURE_RANGE))


def fit_thresholds(probabilities: Probabilities, labels: Labels) -> tuple[float, ...]:
    """One threshold a label, 0..1, of validation probabilities (N, K) and labels (N, K), 0 or 1.

    The one of the best F1, drawn towards 0.5 by as much as the images leave open: of n images on the rarer
    side, of those with the label and those without, n / (n + PRIOR_IMAGES) of the way is gone. Where all but
    two images have a label, the best F1 follows those two wherever they happen to lie.
    A label that all images have, or none, keeps 0.5.
    """
    _check(probabilities, labels)
    return tuple(
        _fit_threshold(column, present) for column, present in zip(probabilities.T, labels.T, strict=True)
    )


def calibrate_classifier(
    classifier: ImageClassifier,
    validation: LabelledImages,
    config: CalibrateConfig = CalibrateConfig(),  # noqa: B008 - frozen
    *,
    seed: int = 0,
) -> ImageClassifier:
    """The classifier with all that validation images can teach it: confidence, thresholds, rules of doubt.

    What its temperature, thresholds and rules were before does not matter. Where something is promised of
    new images (sets, abstention, recall), a drawn half fits the probabilities and the other half the
    promise: only images that had no part in the probabilities are exchangeable with new ones, and the
    conformal promises rest on that alone. To the validation images as a whole, which chose the epoch,
    this holds nearly; the evaluation on test images shows what became of it. DataError where there is no
    image, ConfigError where the configuration asks for what the task does not have.
    """
    logits, labels = classifier.logits(validation.images), validation.labels
    calibrated = calibrate_probabilities(classifier, logits, labels, config, seed=seed)
    is_multi_label = classifier.task == "multi_label"
    rules = Uncertainty() if is_multi_label else _rules(calibrated, logits, labels, config, seed=seed)
    energies = energy(logits, classifier.task, temperature=rules.energy_temperature)
    usual = float(np.quantile(energies, USUAL_SHARE, method="higher"))
    return calibrated.with_uncertainty(rules.model_copy(update={"unusual_above": usual}))


def calibrate_probabilities(
    classifier: ImageClassifier, logits: Logits, labels: Labels, config: CalibrateConfig, *, seed: int
) -> ImageClassifier:
    """The same without the rules of doubt: `logits` (N, K) are the classifier's for validation images."""
    _check(logits, labels)
    if classifier.task == "multi_label":
        return _calibrate_labels(classifier, logits, labels, config, seed=seed)
    fitting, _ = halves(len(labels), seed)
    return _calibrate_classes(classifier, logits[fitting], labels[fitting], config)


def halves(images: int, seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Row numbers, drawn: of those that fit the probabilities, and of the others, at most one fewer."""
    first, second = np.array_split(np.random.default_rng(seed).permutation(images), 2)
    return first, second


def _calibrate_classes(
    classifier: ImageClassifier, logits: Logits, labels: Labels, config: CalibrateConfig
) -> ImageClassifier:
    if config.min_recall is not None:
        raise ConfigError(
            f"calibrate.min_recall is {config.min_recall:g}, but each image has one class, and only several"
            " labels an image have thresholds; remove config.calibrate.min_recall"
        )
    return _scaled(classifier, logits, labels, config)


def _scaled(
    classifier: ImageClassifier, logits: Logits, labels: Labels, config: CalibrateConfig
) -> ImageClassifier:
    temperature = fit_temperature(logits, labels)
    if config.method == "scalar":
        return classifier.with_temperature(temperature)
    return classifier.with_vector(*fit_vector(logits, labels, temperature=temperature))


def _rules(
    calibrated: ImageClassifier, logits: Logits, labels: Labels, config: CalibrateConfig, *, seed: int
) -> Uncertainty:
    """The rules that promise something, fitted to the half that the probabilities were not fitted to."""
    fitting, promising = halves(len(labels), seed)
    probabilities = calibrated.to_probabilities(logits)
    is_right = probabilities.argmax(axis=1) == labels
    answers = Answers(probabilities.max(axis=1), is_right)
    return Uncertainty(
        sets=fit_sets(
            probabilities[promising], labels[promising], config,
            class_names=calibrated.class_names, seed=seed,
        ),
        target_error=config.target_error,
        abstain_below=fit_abstention(answers[fitting], answers[promising], config.target_error),
        energy_temperature=ENERGY_TEMPERATURE,
    )  # fmt: skip


def _calibrate_labels(
    classifier: ImageClassifier, logits: Logits, labels: Labels, config: CalibrateConfig, *, seed: int
) -> ImageClassifier:
    if config.min_recall is None:
        calibrated = _scaled(classifier, logits, labels, config)
        return calibrated.with_thresholds(fit_thresholds(calibrated.to_probabilities(logits), labels))
    fitting, promising = halves(len(labels), seed)
    calibrated = _scaled(classifier, logits[fitting], labels[fitting], config)
    probabilities = calibrated.to_probabilities(logits[promising])
    threshold = fit_recall_threshold(probabilities, labels[promising], config.min_recall)
    return calibrated.with_thresholds([threshold] * labels.shape[1])


def _fit_threshold(probabilities: Probabilities, present: Labels) -> float:
    rarer = min(int(present.sum()), int((1 - present).sum()))
    if rarer == 0:
        return USUAL_THRESHOLD
    best = _best_threshold(probabilities.astype(np.float64), present)
    return USUAL_THRESHOLD + (best - USUAL_THRESHOLD) * rarer / (rarer + PRIOR_IMAGES)


def _best_threshold(probabilities: Probabilities, present: Labels) -> float:
    """Of 0.5 and what lies midway between two probabilities, the one of the best F1, nearest to 0.5."""
    from sklearn.metrics import precision_recall_curve

    precision, recall, distinct = precision_recall_curve(present, probabilities)
    both = precision + recall
    f1 = np.divide(2 * precision * recall, both, out=np.zeros_like(both), where=both > 0)
    candidates = np.append((distinct[1:] + distinct[:-1]) / 2, USUAL_THRESHOLD)
    # f1[i] is of a threshold up to distinct[i] and above distinct[i - 1]; the last, of one above all.
    reached = np.append(f1[1:-1], f1[np.searchsorted(distinct, USUAL_THRESHOLD)])
    best = candidates[np.isclose(reached, reached.max())]
    return float(best[np.abs(best - USUAL_THRESHOLD).argmin()])


def _of_classes(scores: NDArray[np.float64], labels: Labels) -> tuple[NDArray[np.float64], ...]:
    """Log-likelihoods (N,) of the right class, and the mean of the others'."""
    likelihoods = log_softmax(scores)
    right = likelihoods[np.arange(len(labels)), labels]
    return right, (likelihoods.sum(axis=1) - right) / max(1, likelihoods.shape[1] - 1)


def _of_labels(scores: NDArray[np.float64], labels: Labels) -> tuple[NDArray[np.float64], ...]:
    """Log-likelihoods (N, K) of the right answer to whether the image has the label, and of the wrong one."""
    towards_right = np.where(labels == 1, scores, -scores)
    return -np.logaddexp(0, -towards_right), -np.logaddexp(0, towards_right)


def log_softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logarithm of the softmax along the last axis; finite for finite scores."""
    shifted = scores - scores.max(axis=-1, keepdims=True)
    result: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return result


def _check(logits: Logits, labels: Labels) -> None:
    fitting = logits.shape if task_of(labels) == "multi_label" else logits.shape[:1]
    if logits.ndim != 2 or labels.shape != fitting or not len(labels):
        raise DataError(
            f"cannot calibrate on logits of shape {logits.shape} and labels of shape {labels.shape}:"
            " allowed are (N, K) and (N,), or (N, K) for several labels an image, with N of at least 1;"
            " raise config.split.validation"
        )
    if not np.isfinite(logits).all():
        raise DataError("cannot calibrate: logits are not finite; lower config.train.learning_rate")
