"""The intervals keep their promise: of 95 % of samples they hold the true value; paired ones are narrower."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from vision.errors import DataError
from vision.intervals import estimate, estimate_differences
from vision.metrics import METRICS, MULTI_LABEL_METRICS, measure

# Row: true class; column: the share of its images given each answer. Classes are half, 3 and 2 tenths.
SHARES = np.array([0.5, 0.3, 0.2])
CONFUSION = np.array([[0.9, 0.06, 0.04], [0.2, 0.7, 0.1], [0.1, 0.3, 0.6]])
TRUE_ACCURACY = 0.5 * 0.9 + 0.3 * 0.7 + 0.2 * 0.6


def true_macro_f1() -> float:
    joint = SHARES[:, None] * CONFUSION
    return float(np.mean(2 * joint.diagonal() / (joint.sum(axis=0) + joint.sum(axis=1))))


def draw(images: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    labels = random.choice(3, images, p=SHARES)
    answers = (random.random(images)[:, None] > CONFUSION[labels].cumsum(axis=1)).sum(axis=1)
    return labels, 0.1 + 0.7 * np.eye(3)[answers]


@pytest.mark.parametrize(("metric", "truth"), [("accuracy", TRUE_ACCURACY), ("macro_f1", true_macro_f1())])
def test_interval_holds_the_true_value_as_often_as_it_says(metric: str, truth: float) -> None:
    random = np.random.default_rng(7)
    intervals = [estimate(metric, *draw(250, random), resamples=200, seed=run) for run in range(200)]
    held = np.mean([interval.low <= truth <= interval.high for interval in intervals])
    assert 0.90 <= held <= 0.99  # 0.95, give or take three standard errors of 200 runs


def test_difference_interval_holds_the_true_difference_as_often_as_it_says() -> None:
    random = np.random.default_rng(8)
    held = []
    for run in range(200):
        labels, before = draw(200, random)
        # A tenth of the images get the right answer from the second model, whatever the first one said.
        after = np.where(random.random((200, 1)) < 0.1, 0.1 + 0.7 * np.eye(3)[labels], before)
        found = estimate_differences(labels, before, after, metrics=["accuracy"], resamples=200, seed=run)[
            "accuracy"
        ]
        held.append(found.low <= 0.1 * (1 - TRUE_ACCURACY) <= found.high)
    assert 0.90 <= np.mean(held) <= 0.99


def predictions(several: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(3)
    labels = random.integers(0, 2, (150, 7)) if several else random.integers(0, 7, 150)
    models = random.random((2, 150, 7))
    return labels, *(models if several else models / models.sum(axis=2, keepdims=True))


@pytest.mark.parametrize("several", [False, True], ids=["multi-class", "multi-label"])
def test_differences_are_after_minus_before_in_every_metric(several: bool) -> None:
    labels, before, after = predictions(several)
    limits = ((0.5,) * 7, (0.6,) * 7) if several else ((), ())
    found = estimate_differences(labels, before, after, thresholds=limits, resamples=30)
    assert set(found) == set(MULTI_LABEL_METRICS if several else METRICS)
    for name, difference in found.items():
        values = [
            measure(name, labels, p, thresholds=t) for p, t in zip((before, after), limits, strict=True)
        ]
        assert difference.value == pytest.approx(values[1] - values[0]), name
        assert difference.low <= difference.value <= difference.high


def test_difference_is_resampled_with_the_same_images_for_both() -> None:
    labels, before, after = predictions(several=False)
    rows = np.random.default_rng(5).integers(0, 150, (40, 150))  # as vision.intervals draws from seed 5
    expected = [
        f1_score(labels[row], after[row].argmax(1), average="macro")
        - f1_score(labels[row], before[row].argmax(1), average="macro")
        for row in rows
    ]
    found = estimate_differences(labels, before, after, resamples=40, seed=5)["macro_f1"]
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(expected, (2.5, 97.5))))


def test_equal_models_differ_by_nothing() -> None:
    labels, before, _ = predictions(several=False)
    for difference in estimate_differences(labels, before, before.copy(), resamples=20).values():
        assert (difference.low, difference.value, difference.high) == (0, 0, 0)


def test_differences_need_two_models_of_the_same_images() -> None:
    labels, before, after = predictions(several=False)
    with pytest.raises(DataError, match="do not fit"):
        estimate_differences(labels, before, after[:-1])


def test_true_values_are_those_of_a_large_sample() -> None:
    labels, probabilities = draw(200_000, np.random.default_rng(0))
    answers = probabilities.argmax(axis=1)
    assert accuracy_score(labels, answers) == pytest.approx(TRUE_ACCURACY, abs=0.004)
    assert f1_score(labels, answers, average="macro") == pytest.approx(true_macro_f1(), abs=0.004)
