"""Temperature scaling finds a temperature that is known, and stays sober where data cannot tell."""

from __future__ import annotations

import numpy as np
import pytest

from vision.calibration import TEMPERATURE_RANGE, fit_temperature
from vision.classifier import softmax
from vision.errors import DataError
from vision.metrics import ece, log_loss


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
    ],
)
def test_calibration_refuses_what_it_cannot_use(logits: np.ndarray, labels: np.ndarray, words: str) -> None:
    with pytest.raises(DataError, match=words):
        fit_temperature(logits, labels)
