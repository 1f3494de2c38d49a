"""Labels' thresholds that promise a recall: kept on new images, and refused where they cannot be."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.simulated_answers import drawn_labels
from vision.classifier import sigmoid
from vision.errors import ConfigError
from vision.uncertainty.label_recall import fit_recall_threshold


def recall(probabilities: np.ndarray, labels: np.ndarray, threshold: float) -> float:
    """Mean over images that have a label of the share of their labels that is found."""
    found = ((probabilities >= threshold) & (labels == 1)).sum(axis=1)
    having = labels.any(axis=1)
    return float((found[having] / labels.sum(axis=1)[having]).mean())


@pytest.mark.parametrize("min_recall", [0.6, 0.9])
def test_recall_is_kept_on_new_images(min_recall: float) -> None:
    logits, labels = drawn_labels(2800, 6)
    probabilities = sigmoid(logits)
    reached = []
    for rows in np.split(np.arange(800), 8):
        threshold = fit_recall_threshold(probabilities[rows], labels[rows], min_recall)
        reached.append(recall(probabilities[800:], labels[800:], threshold))
    # The theory: at least min_recall, at most 2 / 101 above it, and a step of the thresholds, on average.
    # The recall of an image varies by 0.33, that of 800 by 0.012: 0.04 is three times that.
    assert min_recall - 0.04 <= np.mean(reached) <= min_recall + 0.03 + 0.04


def test_threshold_by_hand() -> None:
    # 99 images with one label each, at 0.005, 0.015 ... 0.985. At the threshold t/100, t are missed, and
    # conformal risk control asks for (t + 1) / 100 < 1 - 0.8, so that t is 18.
    probabilities = (np.arange(99) / 100 + 0.005)[:, None]
    assert fit_recall_threshold(probabilities, np.ones((99, 1), int), 0.8) == pytest.approx(0.18)


def test_images_without_a_label_do_not_count() -> None:
    probabilities = (np.arange(99) / 100 + 0.005)[:, None]
    more = np.vstack([probabilities, np.full((500, 1), 0.9)])
    labels = np.repeat([1, 0], [99, 500])[:, None]
    assert fit_recall_threshold(more, labels, 0.8) == pytest.approx(0.18)


def test_a_perfect_classifier_gives_no_label_that_is_absent() -> None:
    labels = np.arange(900).reshape(300, 3) % 2
    probabilities = np.where(labels == 1, 0.997, 0.003)
    threshold = fit_recall_threshold(probabilities, labels, 0.9)
    np.testing.assert_array_equal(probabilities >= threshold, labels == 1)


@pytest.mark.parametrize("images", [0, 1, 9])
def test_too_few_images_are_an_error(images: int) -> None:
    # 9 images promise 9/10 at most, and that not surely: 10 are the fewest.
    with pytest.raises(
        ConfigError, match=rf"recall of 0\.9 cannot .* {images} validation images .* least 10"
    ):
        fit_recall_threshold(np.ones((images, 2)), np.ones((images, 2), int), 0.9)
    assert fit_recall_threshold(np.ones((10, 2)), np.ones((10, 2), int), 0.9) == pytest.approx(0.99)
