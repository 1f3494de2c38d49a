"""The evaluation of predictions: counted by hand, whole after JSON, and quick."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import pytest
from sklearn import metrics as reference

from vision.classifier import ImageClassifier
from vision.errors import DataError
from vision.evaluation import Confusion, Evaluation, ModelFacts, evaluate_classifier, evaluate_predictions
from vision.metrics import METRICS
from vision.preprocessing import Preprocessing

NAMES = ("cat", "dog", "eel")
LABELS = np.array([0, 0, 0, 1, 1, 2])
ANSWERS = np.array([0, 1, 1, 1, 0, 2])
PROBABILITIES = np.full((6, 3), 0.1) + 0.7 * np.eye(3)[ANSWERS]


def random_predictions(images: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    labels = random.integers(0, classes, images)
    logits = random.normal(size=(images, classes)) + 3 * np.eye(classes)[labels]
    exponentials = np.exp(logits)
    return (exponentials / exponentials.sum(axis=1, keepdims=True)).astype(np.float32), labels


def test_evaluation_counts_by_hand() -> None:
    evaluation = evaluate_predictions(PROBABILITIES, LABELS, NAMES, resamples=20)
    assert evaluation.confusion == ((1, 2, 0), (1, 1, 0), (0, 0, 1))
    cat, dog, eel = evaluation.per_class
    assert (cat.support, cat.precision, cat.recall.value, cat.f1) == pytest.approx((3, 1 / 2, 1 / 3, 2 / 5))
    assert (dog.support, dog.precision, dog.recall.value, dog.f1) == pytest.approx((2, 1 / 3, 1 / 2, 2 / 5))
    assert (eel.support, eel.precision, eel.recall.value, eel.f1) == (1, 1.0, 1.0, 1.0)
    assert eel.recall.low < 0.3  # one image proves little
    assert evaluation.metrics["accuracy"].value == 0.5


def test_top_confusions_come_most_frequent_first() -> None:
    evaluation = evaluate_predictions(PROBABILITIES, LABELS, NAMES, resamples=20)
    expected = (
        Confusion(true="cat", predicted="dog", images=2, support=3),
        Confusion(true="dog", predicted="cat", images=1, support=2),
    )
    assert evaluation.top_confusions(9) == expected
    assert evaluation.top_confusions(1) == expected[:1]


def test_evaluation_survives_json() -> None:
    evaluation = evaluate_predictions(
        PROBABILITIES, LABELS, NAMES, resamples=20, model=ModelFacts(runtime="litert", size_bytes=12)
    )
    assert set(evaluation.metrics) == set(METRICS)
    assert Evaluation.model_validate_json(evaluation.model_dump_json()) == evaluation


def test_reliability_bins_add_up_to_ece() -> None:
    evaluation = evaluate_predictions(*random_predictions(500, 4), ("a", "b", "c", "d"), resamples=20)
    gaps = [bin.images * abs(bin.confidence - bin.accuracy) for bin in evaluation.reliability]
    assert sum(gaps) / 500 == pytest.approx(evaluation.metrics["ece"].value)
    assert sum(bin.images for bin in evaluation.reliability) == 500


def test_thinned_roc_curve_keeps_its_ends_and_its_area() -> None:
    probabilities, labels = random_predictions(5000, 3)
    for k, curve in enumerate(evaluate_predictions(probabilities, labels, NAMES, resamples=10).roc):
        points = np.array([curve.false_positive_rate, curve.true_positive_rate])
        assert points.shape[1] <= 100
        assert points[:, 0].tolist() == [0, 0]
        assert points[:, -1].tolist() == [1, 1]
        assert curve.auc == pytest.approx(reference.roc_auc_score(labels == k, probabilities[:, k]))
        assert reference.auc(*points) == pytest.approx(curve.auc, abs=2e-3)


def test_absent_class_has_no_curve_and_no_support() -> None:
    evaluation = evaluate_predictions(PROBABILITIES[:5], LABELS[:5], NAMES, resamples=20)
    assert [curve.class_name for curve in evaluation.roc] == ["cat", "dog"]
    assert evaluation.per_class[2].support == 0
    assert (evaluation.per_class[2].recall.low, evaluation.per_class[2].recall.high) == (0, 1)


def test_wrong_number_of_class_names_is_refused() -> None:
    with pytest.raises(DataError, match="2 class names"):
        evaluate_predictions(PROBABILITIES, LABELS, NAMES[:2])


def test_ten_thousand_images_take_seconds() -> None:
    probabilities, labels = random_predictions(10_000, 10)
    started = time.perf_counter()
    evaluate_predictions(probabilities, labels, tuple("abcdefghij"), resamples=300)
    assert time.perf_counter() - started < 20  # measured: 2 s on two idle cores


@dataclass
class ConstantRuntime:
    """Answers the first class, always."""

    name: str = "litert"
    precision: str = "int8"

    def logits(self, images: np.ndarray) -> np.ndarray:
        return np.tile(np.float32([2, 1, 0]), (len(images), 1))


def test_evaluate_classifier_states_runtime_and_temperature() -> None:
    classifier = ImageClassifier(ConstantRuntime(), Preprocessing(), NAMES, temperature=2.0)  # type: ignore[arg-type]
    images = np.zeros((6, 4, 4, 3), np.uint8)
    facts = ModelFacts(runtime="keras", size_bytes=7)
    evaluation = evaluate_classifier(classifier, images, LABELS, resamples=10, model=facts)
    assert evaluation.metrics["accuracy"].value == 0.5
    assert evaluation.model == ModelFacts(runtime="litert", precision="int8", temperature=2.0, size_bytes=7)
