"""calibrate_classifier with its settings: which images fit what, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from tests.unit.simulated_answers import classifier_of, drawn_classes, drawn_labels, images_of
from vision.calibration import USUAL_SHARE, calibrate_classifier, fit_temperature, fit_thresholds, halves
from vision.config import CalibrateConfig
from vision.errors import ConfigError, DataError
from vision.uncertainty.rules import UNREACHABLE, SetRule, Uncertainty
from vision.uncertainty.vector_scaling import SCALE_RANGE, fit_vector


def loss(logits: np.ndarray, labels: np.ndarray) -> float:
    return float(-log_softmax(logits, axis=1)[np.arange(len(labels)), labels].mean())


@pytest.mark.parametrize("images", [0, 1, 2, 9, 100])
def test_halves_hold_each_image_once(images: int) -> None:
    first, second = halves(images, 0)
    assert sorted([*first, *second]) == list(range(images))
    assert len(first) - len(second) in (0, 1)
    np.testing.assert_array_equal(first, halves(images, 0)[0])


def test_sets_are_fitted_to_the_half_that_the_temperature_has_not_seen() -> None:
    logits, labels = drawn_classes(1000, 4)
    calibrated = calibrate_classifier(classifier_of(logits), images_of(labels), seed=5)
    fitting, promising = halves(1000, 5)
    assert calibrated.temperature == fit_temperature(logits[fitting], labels[fitting])
    assert calibrated.uncertainty is not None
    rule = calibrated.uncertainty.sets
    assert isinstance(rule, SetRule)
    # Of 500 scores the 451st: ceil(501 * 0.9).
    right = softmax(logits[promising].astype(float) / calibrated.temperature, axis=1)[
        np.arange(500), labels[promising]
    ]
    assert rule.limits == pytest.approx((np.sort(1 - right)[450],), abs=1e-6)


def test_promises_hold_for_new_images() -> None:
    logits, labels = drawn_classes(26_000, 5, spread=4)
    classifier = calibrate_classifier(
        classifier_of(3 * logits), images_of(labels[:6000]), CalibrateConfig(target_error=0.05), seed=1
    )
    judgement = classifier.judge(3 * logits[6000:])
    new = labels[6000:]
    covered = judgement.sets[np.arange(20_000), new]
    wrong = judgement.probabilities.argmax(axis=1) != new
    assert covered.mean() == pytest.approx(0.9, abs=0.015)
    assert wrong[~judgement.abstains].mean() <= 0.05
    assert 0.3 < 1 - judgement.abstains.mean() < 1
    assert judgement.unusual.mean() == pytest.approx(1 - USUAL_SHARE, abs=0.005)


def test_energy_tells_images_apart_where_answers_are_averages() -> None:
    logits, labels = drawn_classes(1000, 5)
    averaged = log_softmax(logits, axis=1)  # as MeanSoftmax gives them
    classifier = calibrate_classifier(classifier_of(averaged), images_of(labels), seed=1)
    energies = classifier.judge(averaged).energy
    sure = averaged.max(axis=1) > np.quantile(averaged.max(axis=1), 0.9)
    assert energies[sure].max() < energies[~sure].min()
    assert classifier.judge(averaged).unusual.sum() == 9  # of 1,000; the tenth is the limit itself


@pytest.mark.parametrize("images", [1, 2, 5])
def test_few_images_calibrate_and_promise_nothing(images: int) -> None:
    logits, labels = drawn_classes(images, 3)
    calibrated = calibrate_classifier(classifier_of(logits), images_of(labels))
    judgement = calibrated.judge(logits)
    assert judgement.sets.all()
    assert judgement.abstains.all()


def test_calibrating_again_forgets_what_was() -> None:
    logits, labels = drawn_classes(300, 3)
    fresh = calibrate_classifier(classifier_of(logits), images_of(labels))
    used = classifier_of(logits).with_vector([9, 9, 9], [1, 2, 3]).with_uncertainty(Uncertainty())
    again = calibrate_classifier(used, images_of(labels))
    assert (again.temperature, again.scales, again.uncertainty) == (fresh.temperature, (), fresh.uncertainty)


@pytest.mark.parametrize(
    ("drawn", "free"),
    [(drawn_classes, np.mean), (drawn_labels, lambda biases: 0)],  # a softmax knows no common bias
    ids=["classes", "labels"],
)
def test_vectors_are_recovered(drawn: Callable[..., Any], free: Callable[..., float]) -> None:
    logits, labels = drawn(20_000, 4)
    scales, biases = np.array([0.5, 1, 2, 3]), np.array([1, -1, 0.5, -0.5])
    skewed = (logits - biases) / scales
    found = fit_vector(skewed, labels, temperature=fit_temperature(skewed, labels))
    np.testing.assert_allclose(found[0], scales, rtol=0.05)
    np.testing.assert_allclose(np.array(found[1]) - free(found[1]), biases, atol=0.05)


def test_vector_mends_what_one_temperature_cannot() -> None:
    logits, labels = drawn_classes(3000, 4)
    logits[:, 0] += 3  # the first class is named too often
    config = CalibrateConfig(method="vector")
    scalar, vector = (
        calibrate_classifier(classifier_of(logits), images_of(labels[:1000]), settings)
        for settings in (CalibrateConfig(), config)
    )
    assert vector.temperature == 1
    new, answers = logits[1000:], labels[1000:]
    by_scalar, by_vector = (
        loss(np.log(classifier.to_probabilities(new)), answers) for classifier in (scalar, vector)
    )
    assert by_vector < by_scalar - 0.2
    assert by_vector == pytest.approx(loss(logits[1000:] - [3, 0, 0, 0], answers), abs=0.02)


def test_a_label_that_nearly_all_images_have_is_given_where_the_network_saw_nothing() -> None:
    labels = np.ones((100, 2), np.int64)
    labels[:3, 0], labels[:50, 1] = 0, 0
    logits = np.where(labels == 1, 0.1, -0.1)
    logits[:, 0] = np.linspace(-0.2, 0.2, 100)[np.random.default_rng(0).permutation(100)]
    scalar, vector = (
        calibrate_classifier(
            classifier_of(logits, "multi_label"), images_of(labels), CalibrateConfig(method=method)
        )
        for method in ("scalar", "vector")
    )
    assert scalar.judge(logits).probabilities[:, 0].mean() == pytest.approx(0.5, abs=0.05)
    assert vector.judge(logits).probabilities[:, 0].mean() > 0.85  # of 0.97, towards which PRIOR lets it go
    assert vector.judge(logits).sets[:, 0].all()
    np.testing.assert_array_equal(vector.judge(logits).sets[:, 1], labels[:, 1] == 1)


@pytest.mark.parametrize(
    ("logits", "labels"),
    [
        (np.eye(4)[np.arange(20) % 4], np.eye(4, dtype=np.int64)[np.arange(20) % 4]),
        (1e6 * (np.eye(4) - 0.5)[np.arange(20) % 4], np.eye(4, dtype=np.int64)[np.arange(20) % 4]),
        (np.ones((20, 2)), np.ones((20, 2), np.int64)),
        (np.zeros((20, 4)), np.arange(20) % 4),
        (1e6 * np.eye(4)[np.arange(20) % 4], np.arange(20) % 4),
        (1e6 * np.eye(4)[np.arange(20) % 4], (np.arange(20) + 1) % 4),
        (np.eye(4)[np.arange(20) % 3], np.arange(20) % 3),
        (np.ones((1, 2)), np.array([0])),
    ],
    ids=[
        "labels",
        "labels, all right, huge",
        "labels that all have",
        "no opinion",
        "all right, huge",
        "all wrong, huge",
        "a class absent",
        "one image",
    ],
)
def test_vectors_stay_finite(logits: np.ndarray, labels: np.ndarray) -> None:
    temperature = fit_temperature(logits, labels)
    scales, biases = (np.array(part) for part in fit_vector(logits, labels, temperature=temperature))
    assert np.isfinite(biases).all()
    assert (scales * temperature >= SCALE_RANGE[0] - 1e-9).all()
    assert (scales * temperature <= SCALE_RANGE[1] + 1e-9).all()


def test_labels_are_calibrated_by_all_images_where_nothing_is_promised() -> None:
    logits, labels = drawn_labels(300, 4)
    calibrated = calibrate_classifier(classifier_of(logits, "multi_label"), images_of(labels))
    assert calibrated.temperature == fit_temperature(logits, labels)
    assert calibrated.thresholds == fit_thresholds(calibrated.to_probabilities(logits), labels)
    assert calibrated.uncertainty is not None
    assert calibrated.uncertainty.model_copy(update={"unusual_above": UNREACHABLE}) == Uncertainty()


def test_min_recall_is_found_in_new_images() -> None:
    logits, labels = drawn_labels(4600, 4)
    config = CalibrateConfig(min_recall=0.9)
    calibrated = calibrate_classifier(
        classifier_of(2 * logits, "multi_label"), images_of(labels[:600]), config
    )
    assert len(set(calibrated.thresholds)) == 1
    given, has = calibrated.judge(2 * logits[600:]).sets, labels[600:] == 1
    some = has.any(axis=1)
    recall = ((given & has).sum(axis=1)[some] / has.sum(axis=1)[some]).mean()
    assert recall == pytest.approx(0.9, abs=0.04)


def test_a_recall_to_reach_is_refused_where_an_image_has_one_class() -> None:
    logits, labels = drawn_classes(20, 3)
    with pytest.raises(ConfigError, match=r"calibrate.min_recall is 0.5.*remove config\.calibrate"):
        calibrate_classifier(classifier_of(logits), images_of(labels), CalibrateConfig(min_recall=0.5))


def test_no_image_is_refused() -> None:
    with pytest.raises(DataError, match="N of at least 1"):
        calibrate_classifier(classifier_of(np.zeros((0, 3), np.float32)), images_of(np.zeros(0, int)))
