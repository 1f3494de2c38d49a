"""Each metric of the table: against scikit-learn, by hand, on what breaks metrics, and resampled."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as reference

from vision.errors import DataError
from vision.intervals import MetricEstimate, estimate, estimate_all, resample_metric, wilson_interval
from vision.metrics import METRICS, MULTI_LABEL_METRICS
from vision.resampling import RESAMPLED


def random_predictions(images: int = 200, classes: int = 7, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, images)
    logits = random.normal(size=(images, classes)) + 1.5 * np.eye(classes)[labels]
    exponentials = np.exp(logits)
    return labels, (exponentials / exponentials.sum(axis=1, keepdims=True)).astype(np.float32)


def degenerate_predictions() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    labels, probabilities = random_predictions()
    certain = np.eye(7, dtype=np.float32)
    return {
        "a class absent": (np.where(labels == 3, 2, labels), probabilities),
        "one class only": (np.full(50, 4), probabilities[:50]),
        "ties": (labels, np.full((200, 7), 1 / 7, np.float32)),
        "all right and certain": (labels, certain[labels]),
        "all wrong and certain": (labels, certain[(labels + 1) % 7]),
        "two classes": random_predictions(classes=2),
        "one image": (labels[:1], probabilities[:1]),
    }


DEGENERATE = degenerate_predictions()


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("case", DEGENERATE)
def test_metric_is_finite_on_degenerate_input(name: str, case: str) -> None:
    labels, probabilities = DEGENERATE[case]
    value = METRICS[name](labels, probabilities)
    assert np.isfinite(value)
    assert 0 <= value <= (16 if name == "log_loss" else 1)


@pytest.mark.parametrize("seed", range(3))
def test_metrics_equal_scikit_learn(seed: int) -> None:
    labels, probabilities = random_predictions(seed=seed)
    answers = probabilities.argmax(axis=1)
    expected = {
        "accuracy": (answers == labels).mean(),
        "top_5_accuracy": reference.top_k_accuracy_score(labels, probabilities, k=5),
        "macro_precision": reference.precision_score(labels, answers, average="macro"),
        "macro_recall": reference.balanced_accuracy_score(labels, answers),
        "macro_f1": reference.f1_score(labels, answers, average="macro"),
        "roc_auc": np.mean([reference.roc_auc_score(labels == k, probabilities[:, k]) for k in range(7)]),
        "log_loss": reference.log_loss(labels, probabilities),
    }
    received = {name: METRICS[name](labels, probabilities) for name in expected}
    assert received == pytest.approx(expected)


def test_metrics_by_hand() -> None:
    # Answers 0, 1, 1 for the labels 0, 1, 2: class 2 is never found and never named.
    labels = np.array([0, 1, 2])
    probabilities = np.array([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.1, 0.6, 0.3]])
    received = {name: metric(labels, probabilities) for name, metric in METRICS.items()}
    assert received == pytest.approx(
        {
            "accuracy": 2 / 3,
            "top_5_accuracy": 1.0,
            "macro_precision": (1 + 1 / 2 + 0) / 3,
            "macro_recall": (1 + 1 + 0) / 3,
            "macro_f1": (1 + 2 / 3 + 0) / 3,
            "roc_auc": 1.0,
            "log_loss": -(np.log(0.8) + np.log(0.7) + np.log(0.3)) / 3,
            "ece": (0.2 + 0.3 + 0.6) / 3,  # three bins of one image each
        }
    )


def test_ece_weighs_bins_by_images() -> None:
    # Three images at 0.9, two right: gap 0.9 - 2/3. One at 0.6, wrong: gap 0.6.
    labels = np.array([0, 0, 1, 1])
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0.6, 0.4]])
    assert METRICS["ece"](labels, probabilities) == pytest.approx(0.75 * (0.9 - 2 / 3) + 0.25 * 0.6)


def test_roc_auc_leaves_out_absent_classes() -> None:
    labels = np.array([0, 0, 1, 1])
    probabilities = np.array([[0.9, 0.1, 0.0], [0.2, 0.3, 0.5], [0.3, 0.7, 0.0], [0.1, 0.8, 0.1]])
    # Class 0: of 4 pairs the pair (0.2, 0.3) is lost. Class 1: all are won. Class 2: no positives.
    assert METRICS["roc_auc"](labels, probabilities) == pytest.approx((3 / 4 + 1) / 2)


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("case", [*DEGENERATE, "random"])
def test_resampled_metric_equals_metric_of_resampled_rows(name: str, case: str) -> None:
    labels, probabilities = (DEGENERATE | {"random": random_predictions(seed=9)})[case]
    indices = np.random.default_rng(1).integers(0, len(labels), (5, len(labels)))
    counts = np.stack([np.bincount(row, minlength=len(labels)) for row in indices]).astype(float)
    received = resample_metric(name, labels, probabilities, counts)
    expected = [METRICS[name](labels[row], probabilities[row]) for row in indices]
    np.testing.assert_allclose(received, expected, rtol=1e-5, atol=1e-6)


def test_resampled_table_names_only_metrics() -> None:
    assert set(RESAMPLED) <= set(METRICS) | set(MULTI_LABEL_METRICS)


@pytest.mark.parametrize("case", DEGENERATE)
def test_estimates_hold_their_value(case: str) -> None:
    for name, received in estimate_all(*DEGENERATE[case], resamples=20).items():
        assert received.low <= received.value <= received.high, name


def test_estimate_is_seeded_and_equal_alone_or_together() -> None:
    predictions = random_predictions()
    together = estimate_all(*predictions, resamples=50, seed=3)
    assert estimate("macro_f1", *predictions, resamples=50, seed=3) == together["macro_f1"]
    assert estimate("macro_f1", *predictions, resamples=50, seed=4) != together["macro_f1"]


def test_bootstrap_does_not_depend_on_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    predictions = random_predictions()
    whole = estimate_all(*predictions, resamples=50)
    monkeypatch.setattr("vision.intervals.BLOCK", 7 * 200)
    for name, received in estimate_all(*predictions, resamples=50).items():
        assert received.model_dump() == pytest.approx(whole[name].model_dump()), name


def test_wilson_interval_against_the_literature() -> None:
    # Newcombe 1998, Statistics in Medicine 17:857, table I, method 3: 81/263 and 0/20.
    received = wilson_interval(81, 263)
    assert (received.low, received.high) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    none = wilson_interval(0, 20)
    assert (none.low, none.high) == pytest.approx((0.0, 0.1611), abs=5e-5)


def test_wilson_interval_keeps_a_width_at_certainty() -> None:
    assert wilson_interval(0, 0) == MetricEstimate(value=0, low=0, high=1)
    assert wilson_interval(30, 30).low == pytest.approx(30 / (30 + 1.959964**2), abs=1e-6)


@pytest.mark.parametrize(
    ("labels", "probabilities", "words"),
    [
        (np.zeros(0, int), np.zeros((0, 3)), "N of at least 1"),
        (np.zeros(4, int), np.zeros((5, 3)), "do not fit"),
        (np.array([0, 3]), np.full((2, 3), 1 / 3), "0..2"),
        (np.array([0, 1]), np.array([[0.5, 0.5], [np.nan, 1.0]]), "image 1"),
    ],
)
def test_estimate_refuses_what_does_not_fit(
    labels: np.ndarray, probabilities: np.ndarray, words: str
) -> None:
    with pytest.raises(DataError, match=words):
        estimate("accuracy", labels, probabilities)
