"""Temperature and thresholds: found where they are known, sober where data cannot tell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from sklearn.metrics import f1_score

from vision.calibration import (
    PRIOR_IMAGES,
    TEMPERATURE_RANGE,
    calibrate_classifier,
    fit_temperature,
    fit_thresholds,
)
from vision.classifier import ImageClassifier, sigmoid, softmax
from vision.errors import DataError
from vision.metrics import ece, log_loss
from vision.prepared import LabelledImages
from vision.preprocessing import Preprocessing
from vision.task import Task


def calibrated_logits(images: int = 20_000, classes: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Logits whose softmax is the chance by which each label was drawn: their temperature is 1."""
    random = np.random.default_rng(0)
    logits = random.normal(scale=2.0, size=(images, classes))
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (chances.cumsum(axis=1) > random.random((images, 1))).argmax(axis=1)
    return logits, labels


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5, 8.0])
def test_temperature_is_recovered(temperature: float) -> None:
    logits, labels = calibrated_logits()
    assert fit_temperature(logits * temperature, labels) == pytest.approx(temperature, rel=0.03)


def test_calibrating_lowers_loss_and_calibration_error() -> None:
    logits, labels = calibrated_logits(images=2000)
    overconfident = (logits * 3).astype(np.float32)
    before = softmax(overconfident)
    after = softmax(overconfident / np.float32(fit_temperature(overconfident, labels)))
    assert log_loss(labels, after) < log_loss(labels, before)
    assert ece(labels, after) < ece(labels, before) / 2


@pytest.mark.parametrize("margin", [0.5, 10.0, 50.0])
def test_all_right_claims_no_more_than_the_images_support(margin: float) -> None:
    labels = np.arange(300) % 10
    logits = margin * np.eye(10)[labels]
    temperature = fit_temperature(logits, labels)
    confidence = softmax((logits / temperature).astype(np.float32)).max(axis=1).mean()
    # 301/302, the target; less where the range of temperatures does not reach it.
    assert confidence <= 301 / 302 + 1e-4
    if margin > 0.5:
        assert confidence == pytest.approx(301 / 302, abs=1e-4)


@pytest.mark.parametrize(
    ("logits", "labels"),
    [
        (np.zeros((20, 4)), np.arange(20) % 4),
        (1e6 * np.eye(4)[np.arange(20) % 4], np.arange(20) % 4),
        (1e6 * np.eye(4)[np.arange(20) % 4], (np.arange(20) + 1) % 4),
        (np.ones((1, 2)), np.array([0])),
    ],
    ids=["no opinion", "all right, huge", "all wrong, huge", "one image"],
)
def test_temperature_stays_in_its_range(logits: np.ndarray, labels: np.ndarray) -> None:
    low, high = TEMPERATURE_RANGE
    assert low <= fit_temperature(logits, labels) <= high


@pytest.mark.parametrize(
    ("logits", "labels", "words"),
    [
        (np.zeros((0, 3)), np.zeros(0, int), "N of at least 1"),
        (np.full((2, 3), np.nan), np.array([0, 1]), "not finite"),
        (np.zeros((2, 3)), np.zeros((2, 2), int), "for several labels"),
        (np.zeros((0, 3)), np.zeros((0, 3), int), "N of at least 1"),
    ],
)
def test_calibration_refuses_what_it_cannot_use(logits: np.ndarray, labels: np.ndarray, words: str) -> None:
    with pytest.raises(DataError, match=words):
        fit_temperature(logits, labels)


def calibrated_labels(images: int = 4000, labels: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Logits whose sigmoid is the chance by which each label was drawn: their temperature is 1."""
    random = np.random.default_rng(0)
    logits = random.normal(-1, 2, (images, labels))
    return logits, (random.random(logits.shape) < 1 / (1 + np.exp(-logits))).astype(int)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5, 8.0])
def test_temperature_of_labels_is_recovered(temperature: float) -> None:
    logits, labels = calibrated_labels()
    assert fit_temperature(logits * temperature, labels) == pytest.approx(temperature, rel=0.03)


def test_temperature_of_one_label_is_that_of_two_classes() -> None:
    logits, labels = (part[:300, :1] for part in calibrated_labels())
    two_classes = np.hstack([np.zeros_like(logits), logits])
    expected = fit_temperature(two_classes, labels[:, 0])
    assert fit_temperature(logits, labels) == pytest.approx(expected, rel=1e-6)


def test_labels_all_right_claim_no_more_than_the_images_support() -> None:
    labels = np.arange(900).reshape(300, 3) % 2
    logits = 10.0 * (2 * labels - 1)
    chances = sigmoid((logits / fit_temperature(logits, labels)).astype(np.float32))
    assert np.maximum(chances, 1 - chances) == pytest.approx(np.full(labels.shape, 301 / 302), abs=1e-4)


def test_threshold_goes_to_the_best_f1_as_far_as_the_images_prove() -> None:
    # All six are told apart between 0.30 and 0.35; three images on either side weigh against the prior.
    probabilities = np.array([[0.1, 0.2, 0.3, 0.35, 0.4, 0.45]]).T
    labels = np.array([[0, 0, 0, 1, 1, 1]]).T
    expected = 0.5 + (0.325 - 0.5) * 3 / (3 + PRIOR_IMAGES)
    assert fit_thresholds(probabilities, labels) == pytest.approx((expected,))
    many = (np.repeat(part, 1000, axis=0) for part in (probabilities, labels))
    assert fit_thresholds(*many) == pytest.approx((0.325,), abs=1e-3)


@pytest.mark.parametrize("seed", range(5))
def test_best_threshold_is_the_best_there_is(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vision.calibration.PRIOR_IMAGES", 0)
    random = np.random.default_rng(seed)
    labels = (random.random((60, 1)) < 0.3).astype(int)
    probabilities = sigmoid((random.normal(size=(60, 1)) + labels - 2).astype(np.float32))
    (threshold,) = fit_thresholds(probabilities, labels)
    # All answers there are, but for giving the label to every image or to none.
    possible = [probabilities >= lowest for lowest in np.unique(probabilities)[1:]]
    best = max(f1_score(labels, given) for given in possible)
    assert f1_score(labels, probabilities >= threshold) == pytest.approx(best)


@pytest.mark.parametrize(
    ("probabilities", "labels"),
    [
        ([0.9, 0.2, 0.7], [1, 1, 1]),
        ([0.9, 0.2, 0.7], [0, 0, 0]),
        ([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1]),
        ([0.5, 0.5, 0.5, 0.5], [0, 1, 0, 1]),
    ],
    ids=["all have it", "none has it", "0.5 is as good as any", "ties"],
)
def test_threshold_stays_at_one_half(probabilities: list[float], labels: list[int]) -> None:
    assert fit_thresholds(np.array(probabilities)[:, None], np.array(labels)[:, None]) == (0.5,)


@pytest.mark.parametrize("unlucky", [0.985, 0.02], ids=["too high", "too low"])
def test_two_images_without_a_label_do_not_move_its_threshold_far(unlucky: float) -> None:
    # As the red blood cells of BCCD: 70 of 72 images have them. The best F1 alone would follow the two.
    probabilities = np.append(np.linspace(0.8, 0.999, 70), [unlucky, unlucky])[:, None]
    labels = np.append(np.ones(70, int), [0, 0])[:, None]
    (threshold,) = fit_thresholds(probabilities, labels)
    assert 0.3 < threshold < 0.7


def test_each_label_has_its_own_threshold() -> None:
    logits, labels = calibrated_labels(images=500)
    probabilities = sigmoid(
        (logits - np.arange(5)).astype(np.float32)
    )  # each stated more rarely than the last
    alone = [fit_thresholds(probabilities[:, [k]], labels[:, [k]])[0] for k in range(5)]
    together = fit_thresholds(probabilities, labels)
    assert together == tuple(alone)
    assert together[0] > together[2] > together[4]


@dataclass
class PixelRuntime:
    """The logits are the first pixels of the red channel, less 100, divided by 10."""

    name: str = "litert"
    precision: str = "float32"

    def logits(self, images: np.ndarray) -> np.ndarray:
        return (images[:, 0, :5, 0].astype(np.float32) - 100) / 10


@pytest.mark.parametrize("task", ["multi_class", "multi_label"])
def test_calibrate_classifier_fits_what_its_task_has(task: Task) -> None:
    logits, labels = calibrated_labels(images=500) if task == "multi_label" else calibrated_logits(images=500)
    images = np.zeros((500, 1, 5, 3), np.uint8)
    images[:, 0, :, 0] = np.clip(30 * logits + 100, 0, 255)  # the runtime makes that three times too sure
    classifier = ImageClassifier(PixelRuntime(), Preprocessing(), tuple("abcde"), task=task)  # type: ignore[arg-type]
    calibrated = calibrate_classifier(classifier, LabelledImages(images, labels))
    assert calibrated.temperature == pytest.approx(3, rel=0.25)
    if task == "multi_class":
        assert calibrated.thresholds == ()
    else:
        assert calibrated.thresholds == fit_thresholds(calibrated.predict(images), labels)
