"""The figures of doubt, worked out by hand or by scikit-learn, on ordinary and degenerate answers."""

from __future__ import annotations

import time

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from tests.unit.simulated_answers import classifier_of, drawn_classes, drawn_labels, images_of
from vision.calibration import calibrate_classifier
from vision.classifier import softmax
from vision.config import CalibrateConfig
from vision.errors import DataError
from vision.intervals import wilson_interval
from vision.metrics import ece
from vision.uncertainty.evaluation import UncertaintyEvaluation, evaluate_uncertainty, selective_curve
from vision.uncertainty.rules import SetRule, Uncertainty

# Probabilities are 0.8, 0.1, 0.1 and so on; the fourth image is wrong, the fifth is in doubt and wrong.
PROBABILITIES = np.array(
    [[0.8, 0.1, 0.1], [0.1, 0.7, 0.2], [0.05, 0.05, 0.9], [0.6, 0.3, 0.1], [0.4, 0.35, 0.25]], np.float32
)
LABELS = np.array([0, 1, 2, 1, 1])
RULES = Uncertainty(
    sets=SetRule(method="lac", coverage=0.8, limits=(0.68,)), target_error=0.05, abstain_below=0.5
)


def by_hand() -> UncertaintyEvaluation:
    logits = np.log(PROBABILITIES)
    return evaluate_uncertainty(classifier_of(logits).with_uncertainty(RULES), logits, LABELS)


def test_automated_share_and_its_error_by_hand() -> None:
    evaluation = by_hand()
    assert evaluation.target_error == 0.05
    assert evaluation.automated == wilson_interval(4, 5)
    assert evaluation.error == wilson_interval(1, 4)


def test_set_scores_by_hand() -> None:
    # Sets are {0}, {1}, {2}, {0} and {0, 1}: the fourth misses class 1.
    (scores,) = by_hand().sets
    assert (scores.method, scores.promised) == ("lac", 0.8)
    assert scores.coverage == wilson_interval(4, 5)
    assert scores.mean_size == pytest.approx(6 / 5)
    assert scores.sizes == (0, 4, 1)
    assert scores.per_class == pytest.approx({"class 0": 1, "class 1": 2 / 3, "class 2": 1})


def test_selective_curve_by_hand() -> None:
    points = [(point.coverage, point.error) for point in by_hand().curve]
    assert points == [(0.2, 0), (0.4, 0), (0.6, 0), (0.8, 0.25), (1, 0.4)]


def test_equal_confidences_are_one_point() -> None:
    confidence = np.array([0.5, 0.9, 0.5, 0.5])
    points = selective_curve(confidence, np.array([True, True, False, True]))
    assert [(point.coverage, point.error) for point in points] == [(0.25, 0), (1, 0.25)]


def test_curve_has_a_hundred_points_at_most_and_ends_at_all() -> None:
    random = np.random.default_rng(0)
    right = random.random(5000) < 0.7
    points = selective_curve(random.random(5000), right)
    assert len(points) == 100
    assert points[-1].coverage == 1
    assert points[-1].error == pytest.approx((~right).mean())


def test_calibration_error_is_of_before_and_after() -> None:
    logits, labels = drawn_classes(4000, 4)
    classifier = calibrate_classifier(classifier_of(3 * logits), images_of(labels))
    evaluation = evaluate_uncertainty(classifier, 3 * logits, labels)
    assert evaluation.ece_before == ece(labels, softmax(3 * logits))
    assert evaluation.ece_after < evaluation.ece_before / 3


def test_doubt_is_the_area_of_telling_wrong_from_right() -> None:
    logits, labels = drawn_classes(1000, 4)
    classifier = calibrate_classifier(classifier_of(logits), images_of(labels))
    random = np.random.default_rng(1).random(1000)
    evaluation = evaluate_uncertainty(classifier, logits, labels, more_doubt={"members": random})
    judgement = classifier.judge(logits)
    wrong = judgement.probabilities.argmax(axis=1) != labels
    assert evaluation.doubt == {
        "confidence": pytest.approx(roc_auc_score(wrong, 1 - judgement.probabilities.max(axis=1))),
        "energy": pytest.approx(roc_auc_score(wrong, judgement.energy)),
        "members": pytest.approx(roc_auc_score(wrong, random)),
    }


@pytest.mark.parametrize("right", [True, False])
@pytest.mark.parametrize("images", [1, 40])
def test_all_right_and_all_wrong_rank_nothing(right: bool, images: int) -> None:
    logits, _ = drawn_classes(images, 3)
    labels = logits.argmax(axis=1) if right else logits.argmin(axis=1)
    evaluation = evaluate_uncertainty(classifier_of(logits).with_uncertainty(RULES), logits, labels)
    assert evaluation.doubt == {"confidence": 0.5, "energy": 0.5}
    assert evaluation.curve[-1].error == (0 if right else 1)


def test_nothing_automated_leaves_the_error_open() -> None:
    logits, labels = drawn_classes(20, 3)
    always = Uncertainty(abstain_below=1e9)
    evaluation = evaluate_uncertainty(classifier_of(logits).with_uncertainty(always), logits, labels)
    assert evaluation.automated.value == 0
    assert (evaluation.error.low, evaluation.error.high) == (0, 1)
    assert evaluation.sets == ()


def test_labels_are_right_where_all_of_an_image_are() -> None:
    logits = np.log(np.array([[9, 1 / 9], [3, 1 / 9], [9, 3]], np.float32))  # 0.9, 0.1; 0.75, 0.1; 0.9, 0.75
    labels = np.array([[1, 0], [0, 0], [1, 0]])
    classifier = classifier_of(logits, "multi_label").with_thresholds([0.5, 0.8])
    evaluation = evaluate_uncertainty(classifier.with_uncertainty(Uncertainty()), logits, labels)
    assert evaluation.automated.value == 1
    assert evaluation.error == wilson_interval(1, 3)
    # The surest is the first; the other two are equally sure of their least sure label, up to rounding.
    assert evaluation.curve[0].coverage == pytest.approx(1 / 3)
    assert evaluation.target_error == 1


def test_what_does_not_fit_is_refused() -> None:
    logits, labels = drawn_classes(20, 3)
    with pytest.raises(DataError, match="no rules of doubt"):
        evaluate_uncertainty(classifier_of(logits), logits, labels)
    with pytest.raises(DataError, match="do not fit"):
        evaluate_uncertainty(classifier_of(logits).with_uncertainty(RULES), logits, labels[1:])


def test_evaluation_survives_json() -> None:
    evaluation = by_hand()
    assert UncertaintyEvaluation.model_validate_json(evaluation.model_dump_json()) == evaluation


@pytest.mark.parametrize(("images", "classes"), [(10_000, 10), (2000, 1000)])
def test_many_images_take_seconds(images: int, classes: int) -> None:
    logits, labels = drawn_classes(images, classes, spread=4)
    rule = SetRule(method="aps", coverage=0.9, limits=(0.9,))
    classifier = classifier_of(logits).with_uncertainty(Uncertainty(sets=rule))
    begin = time.process_time()
    evaluate_uncertainty(classifier, logits, labels)
    assert time.process_time() - begin < 4  # a tenth of that, where nobody else computes


def test_labels_of_a_calibrated_classifier_are_evaluated() -> None:
    logits, labels = drawn_labels(500, 4)
    classifier = calibrate_classifier(
        classifier_of(logits, "multi_label"), images_of(labels), CalibrateConfig(sets="aps")
    )
    evaluation = evaluate_uncertainty(classifier, logits, labels)
    assert evaluation.sets == ()
    assert evaluation.doubt["confidence"] > 0.5
