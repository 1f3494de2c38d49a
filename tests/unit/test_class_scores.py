"""The scores of single classes: counted by hand, and how far each can be trusted."""

from __future__ import annotations

import time

import numpy as np
import pytest
from scipy.stats import bootstrap
from sklearn.metrics import precision_recall_fscore_support

from vision.class_scores import ClassScores, LabelCounts, class_scores, count_labels
from vision.intervals import wilson_interval
from vision.task import has_class


def score(right: int, wrong: int, missed: int) -> ClassScores:
    (scores,) = class_scores(
        [
            LabelCounts(
                name="cat",
                true_positives=right,
                false_positives=wrong,
                false_negatives=missed,
                true_negatives=9,
            )
        ]
    )
    return scores


def random_scores(images: int, classes: int) -> tuple[np.ndarray, np.ndarray, tuple[ClassScores, ...]]:
    random = np.random.default_rng(0)
    labels = random.integers(0, classes, images)
    answers = np.where(random.random(images) < 0.7, labels, random.integers(0, classes, images))
    counts = count_labels(
        has_class(labels, classes), has_class(answers, classes), [*map(str, range(classes))]
    )
    return labels, answers, class_scores(counts)


def test_scores_equal_scikit_learn() -> None:
    labels, answers, scores = random_scores(300, 6)
    precision, recall, f1, support = precision_recall_fscore_support(labels, answers)
    assert [row.precision for row in scores] == pytest.approx(precision)
    assert [row.recall.value for row in scores] == pytest.approx(recall)
    assert [row.f1 for row in scores] == pytest.approx(f1)
    assert [row.support for row in scores] == support.tolist()


def test_intervals_are_of_the_scores_beside_them() -> None:
    for row in random_scores(300, 6)[2]:
        assert row.precision_interval.value == pytest.approx(row.precision)
        assert row.f1_interval.value == pytest.approx(row.f1)


def test_precision_interval_is_wilsons_of_the_answers() -> None:
    # Newcombe 1998, Statistics in Medicine 17:857, table I, method 3: 81 of 263.
    received = score(right=81, wrong=182, missed=5).precision_interval
    assert (received.low, received.high) == pytest.approx((0.2553, 0.3662), abs=5e-5)


def test_f1_interval_by_hand() -> None:
    # 81 of 263 images have the class and are given it; of the rest, one or the other: F1 = 2 J / (1 + J).
    received = score(right=81, wrong=100, missed=82).f1_interval
    ends = (2 * 0.2553 / 1.2553, 2 * 0.3662 / 1.3662)
    assert (received.low, received.high) == pytest.approx(ends, abs=1e-4)
    assert received.value == pytest.approx(2 * 81 / (2 * 81 + 182))


def test_f1_interval_is_about_that_of_the_bootstrap() -> None:
    kinds = np.repeat([0, 1, 2, 3], (120, 20, 30, 330))  # right, wrong, missed, neither

    def f1(sample: np.ndarray, axis: int) -> np.ndarray:
        right, wrong, missed = ((sample == kind).sum(axis=axis) for kind in range(3))
        return 2 * right / (2 * right + wrong + missed)

    expected = bootstrap((kinds,), f1, n_resamples=2000, rng=np.random.default_rng(0)).confidence_interval
    received = score(right=120, wrong=20, missed=30).f1_interval
    assert (received.low, received.high) == pytest.approx((expected.low, expected.high), abs=0.015)


def test_f1_interval_holds_the_true_value_as_often_as_it_says() -> None:
    shares = (0.12, 0.03, 0.05, 0.8)  # right, wrong, missed, neither
    truth = 2 * 0.12 / (2 * 0.12 + 0.03 + 0.05)
    samples = np.random.default_rng(2).multinomial(300, shares, size=300)
    intervals = [score(*map(int, sample[:3])).f1_interval for sample in samples]
    assert 0.91 <= np.mean([interval.low <= truth <= interval.high for interval in intervals]) <= 0.99


@pytest.mark.parametrize(
    ("counts", "value"), [((0, 0, 0), 0), ((0, 3, 2), 0), ((4, 0, 0), 1), ((0, 0, 5), 0), ((0, 5, 0), 0)]
)
def test_scores_of_few_images_are_wide_and_within_bounds(counts: tuple[int, int, int], value: float) -> None:
    scores = score(*counts)
    assert (scores.precision, scores.recall.value, scores.f1) == (value, value, value)
    for interval in (scores.precision_interval, scores.recall, scores.f1_interval):
        assert 0 <= interval.low <= value <= interval.high <= 1
        assert interval.high - interval.low > 0.3


def test_class_that_is_never_answered_has_no_precision_to_speak_of() -> None:
    scores = score(right=0, wrong=0, missed=40)
    assert (scores.precision_interval.low, scores.precision_interval.high) == (0, 1)
    assert scores.recall == wilson_interval(0, 40)


def test_thousand_classes_take_a_second() -> None:
    started = time.perf_counter()
    assert len(random_scores(10_000, 1000)[2]) == 1000
    assert time.perf_counter() - started < 3
