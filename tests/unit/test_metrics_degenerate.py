"""Every metric of both tables, on random and degenerate input, against another library or worked by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import mannwhitneyu
from sklearn import metrics as reference

from vision.classifier import sigmoid, softmax
from vision.metrics import METRICS, MULTI_LABEL_METRICS, Metric, measure
from vision.right_answers import has_right_among_five, right_images

Case = tuple[np.ndarray, np.ndarray]


def classes_case(images: int, classes: int, *, spread: float = 1.5, seed: int = 0) -> Case:
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, images)
    logits = random.normal(size=(images, classes)) + spread * np.eye(classes)[labels]
    return labels, softmax(logits.astype(np.float32))


def labels_case(images: int, labels: int, seed: int = 0) -> Case:
    random = np.random.default_rng(seed)
    present = (random.random((images, labels)) < np.linspace(0.1, 0.9, labels)).astype(int)
    logits = random.normal(size=present.shape) + 2.0 * present - 1.0
    return present, sigmoid(logits.astype(np.float32))


def class_cases() -> dict[str, Case]:
    labels, probabilities = classes_case(300, 7)
    certain = np.eye(7, dtype=np.float32)
    never = probabilities * np.float32([1e-3, 1, 1, 1, 1, 1, 1])
    # Three answers only, two of them undecided between two classes.
    answers = np.float32([[3, 3, 1, 1, 0, 0, 0], [0, 1, 1, 3, 3, 0, 0], [0, 0, 1, 0, 1, 2, 4]]) / 8
    return {
        "random": (labels, probabilities),
        "a class absent": (np.where(labels == 3, 2, labels), probabilities),
        "a class never answered": (labels, never / never.sum(axis=1, keepdims=True)),
        "one class only": (np.full(50, 4), probabilities[:50]),
        "ties": (labels, answers[labels % 3]),
        "all equal": (labels, np.full((300, 7), 1 / 7, np.float32)),
        "all right and certain": (labels, certain[labels]),
        "all wrong and certain": (labels, certain[(labels + 1) % 7]),
        "one image": (labels[:1], probabilities[:1]),
        "two classes": classes_case(300, 2),
        "five classes": classes_case(300, 5),
        "a thousand classes": classes_case(150, 1000, spread=4),
    }


def label_cases() -> dict[str, Case]:
    labels, probabilities = labels_case(200, 5)
    absent, everywhere = labels.copy(), labels.copy()
    absent[:, 1], everywhere[:, 3] = 0, 1
    return {
        "random": (labels, probabilities),
        "a label that no image has": (absent, probabilities),
        "a label that all images have": (everywhere, probabilities),
        "ties": (labels, np.round(probabilities * 4).astype(np.float32) / 4),
        "all right and certain": (labels, labels.astype(np.float32)),
        "all wrong and certain": (labels, 1 - labels.astype(np.float32)),
        "nothing there and nothing given": (np.zeros_like(labels), np.zeros(labels.shape, np.float32)),
        "one label": (labels[:, :1], probabilities[:, :1]),
        "two labels": (labels[:, :2], probabilities[:, :2]),
        "one image": (labels[:1], probabilities[:1]),
    }


def shares(labels: np.ndarray, given: np.ndarray) -> tuple[float, float, float]:
    """Macro precision, recall and F1 of (N, K) by their counts, over the classes that occur."""
    right, has, answered = ((part > 0).sum(axis=0) for part in (labels * given, labels, given))
    rows = [row for row in zip(right, has, answered, strict=True) if row[1] or row[2]]
    precision = [hit / answers if answers else 0 for hit, _, answers in rows]
    recall = [hit / images if images else 0 for hit, images, _ in rows]
    f1 = [2 * hit / (images + answers) for hit, images, answers in rows]
    return tuple(float(np.mean(part)) if rows else 0.0 for part in (precision, recall, f1))  # type: ignore[return-value]


def mean_area(has: np.ndarray, probabilities: np.ndarray) -> float:
    """Mann and Whitney's U over the number of pairs, the mean over classes with both kinds of images."""
    columns = [
        (scores[one == 1], scores[one == 0]) for one, scores in zip(has.T, probabilities.T, strict=True)
    ]
    both = [(inside, outside) for inside, outside in columns if len(inside) and len(outside)]
    areas = [mannwhitneyu(a, b, method="asymptotic").statistic / (len(a) * len(b)) for a, b in both]
    return float(np.mean(areas)) if areas else 0.5


def calibration_error(right: np.ndarray, confidence: np.ndarray) -> float:
    """Guo et al. 2017, equation 3, bin by bin: ((m - 1) / 15, m / 15]; nothing is sure of 0."""
    bins = np.ceil(confidence * 15)
    inside = [bins == m for m in range(1, 16)]
    gaps = [abs(right[rows].mean() - confidence[rows].astype(float).mean()) for rows in inside if rows.any()]
    return float(np.dot(gaps, [rows.mean() for rows in inside if rows.any()]))


def clipped(chosen: np.ndarray) -> np.ndarray:
    epsilon = float(np.finfo(np.float32).eps)
    return np.clip(chosen.astype(np.float64), epsilon, 1 - epsilon)


def of_classes(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    classes, answers = probabilities.shape[1], probabilities.argmax(axis=1)
    has = np.eye(classes, dtype=int)[labels]
    precision, recall, f1 = shares(has, np.eye(classes, dtype=int)[answers])
    is_judged = classes > 5
    top_5 = (
        reference.top_k_accuracy_score(labels, probabilities, k=5, labels=range(classes)) if is_judged else 1
    )
    return {
        "accuracy": reference.accuracy_score(labels, answers),
        "top_5_accuracy": top_5,
        "macro_precision": precision,
        "macro_recall": recall,
        "macro_f1": f1,
        "roc_auc": mean_area(has, probabilities),
        "log_loss": -np.log(clipped(probabilities[np.arange(len(labels)), labels])).mean(),
        "ece": calibration_error(answers == labels, probabilities.max(axis=1)),
    }


def of_labels(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    given = (probabilities >= 0.5).astype(int)
    precision, recall, f1 = shares(labels, given)
    hits, wrong = (labels * given).sum(), (labels != given).sum()
    found = labels.any(axis=0)
    areas = [
        reference.average_precision_score(*column)
        for column in zip(labels[:, found].T, probabilities[:, found].T, strict=True)
    ]
    return {
        "accuracy": (labels == given).all(axis=1).mean(),
        "mean_average_precision": np.mean(areas) if areas else 0.0,
        "macro_precision": precision,
        "macro_recall": recall,
        "macro_f1": f1,
        "micro_f1": 2 * hits / (2 * hits + wrong) if hits else 0.0,
        "hamming_loss": wrong / labels.size,
        "roc_auc": mean_area(labels, probabilities),
        "log_loss": -np.log(clipped(np.where(labels == 1, probabilities, 1 - probabilities))).mean(),
        "ece": calibration_error(
            (given == labels).ravel(), np.maximum(probabilities, 1 - probabilities).ravel()
        ),
    }


Task = tuple[dict[str, Case], Callable[..., dict[str, float]], dict[str, Metric]]
TASKS: dict[str, Task] = {
    "multi-class": (class_cases(), of_classes, METRICS),
    "multi-label": (label_cases(), of_labels, MULTI_LABEL_METRICS),
}


@pytest.mark.parametrize(("task", "case"), [(task, case) for task, row in TASKS.items() for case in row[0]])
def test_every_metric_equals_its_definition(task: str, case: str) -> None:
    cases, definition, table = TASKS[task]
    expected = definition(*cases[case])
    assert set(expected) == set(table)
    received = {name: measure(name, *cases[case]) for name in table}
    assert received == pytest.approx(expected, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("name", METRICS)
def test_metric_of_certain_answers_by_hand(name: str) -> None:
    labels, certain = np.array([0, 1, 2, 3, 4, 5, 6]), np.eye(7, dtype=np.float32)
    epsilon = float(np.finfo(np.float32).eps)  # a certain mistake costs -ln(epsilon), 15.9
    best = {"log_loss": -np.log(1 - epsilon), "ece": 0.0}
    # The right class k ties at 0 with five others, of which the later come first: among five are 2 to 6. Its
    # image outranks none of the six others, ties with five and is below the one that was given class k.
    worst = {"log_loss": -np.log(epsilon), "ece": 1.0, "top_5_accuracy": 5 / 7, "roc_auc": 5 / 2 / 6}
    assert METRICS[name](labels, certain) == pytest.approx(best.get(name, 1.0), abs=1e-5)
    assert METRICS[name](labels, certain[(labels + 1) % 7]) == pytest.approx(worst.get(name, 0.0), abs=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_ece_equals_that_of_mapie(seed: int) -> None:
    from mapie.metrics.calibration import expected_calibration_error

    labels, probabilities = classes_case(500, 10, seed=seed)
    right = (probabilities.argmax(axis=1) == labels).astype(int)
    # MAPIE 1.6 counts the edges: 16 of them are 15 bins.
    expected = expected_calibration_error(
        right, probabilities.max(axis=1), num_bins=16, split_strategy="uniform"
    )
    assert METRICS["ece"](labels, probabilities) == pytest.approx(expected)


@pytest.mark.parametrize("case", class_cases())
def test_images_right_are_those_that_the_metrics_count(case: str) -> None:
    labels, probabilities = class_cases()[case]
    assert right_images(labels, probabilities).mean() == METRICS["accuracy"](labels, probabilities)
    among = has_right_among_five(labels, probabilities).mean()
    assert among == pytest.approx(METRICS["top_5_accuracy"](labels, probabilities))


@pytest.mark.parametrize("case", label_cases())
def test_images_wholly_right_are_those_that_subset_accuracy_counts(case: str) -> None:
    labels, probabilities = label_cases()[case]
    limits = (0.3,) * labels.shape[1]
    expected = reference.accuracy_score(labels, probabilities >= 0.3)
    assert right_images(labels, probabilities, thresholds=limits).mean() == pytest.approx(expected)
    assert measure("accuracy", labels, probabilities, thresholds=limits) == pytest.approx(expected)
