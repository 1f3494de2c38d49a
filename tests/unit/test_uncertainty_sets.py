"""Prediction sets: MAPIE's, worked out by hand, true to their promise, honest where images are too few."""

from __future__ import annotations

import logging
import warnings
from typing import Any

import numpy as np
import pytest
from mapie.classification import SplitConformalClassifier
from mapie.conformity_scores import APSConformityScore, LACConformityScore, RAPSConformityScore
from sklearn.base import BaseEstimator, ClassifierMixin

from tests.unit.simulated_answers import drawn_classes
from vision.classifier import softmax
from vision.config import CalibrateConfig
from vision.uncertainty.conformal import Halves, fit_sets, images_needed
from vision.uncertainty.rules import UNREACHABLE, SetMethod, SetRule, in_double

METHODS = ("lac", "aps", "raps")
SCORES = {"lac": LACConformityScore, "aps": APSConformityScore, "raps": RAPSConformityScore}


class Given(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """An estimator for which an image is its own probabilities."""

    def __init__(self, classes: int = 2) -> None:
        self.classes = classes
        self.classes_ = np.arange(classes)

    def fit(self, probabilities: np.ndarray, labels: np.ndarray) -> Given:
        return self

    def predict(self, probabilities: np.ndarray) -> np.ndarray:
        return probabilities.argmax(axis=1)

    def predict_proba(self, probabilities: np.ndarray) -> np.ndarray:
        return probabilities


def mapie(
    method: str, probabilities: np.ndarray, labels: np.ndarray, coverage: float, new: np.ndarray
) -> Any:
    """MAPIE's score, fitted, and its sets (N, K) of new probabilities, drawn where they are with 1/2 always.

    To those of aps the likeliest class is added.
    """
    score = SCORES[method]()
    conformal = SplitConformalClassifier(
        Given(probabilities.shape[1]), coverage, conformity_score=score, prefit=True, random_state=Halves()
    )
    conformal.conformalize(in_double(probabilities), labels)
    how = {} if method == "lac" else {"include_last_label": "randomized"}
    sets = conformal.predict_set(in_double(new), conformity_score_params=how)[1][:, :, 0]
    if method != "lac":
        sets[np.arange(len(new)), new.argmax(axis=1)] = True
    return score, sets


def fit(probabilities: np.ndarray, labels: np.ndarray, **settings: Any) -> SetRule:
    names = [f"class {index}" for index in range(probabilities.shape[1])]
    rule = fit_sets(probabilities, labels, CalibrateConfig(**settings), class_names=names, seed=3)
    assert rule is not None
    return rule


@pytest.mark.parametrize("method", ["lac", "aps"])
@pytest.mark.parametrize("coverage", [0.6, 0.9, 0.99])
def test_sets_are_those_of_mapie(method: SetMethod, coverage: float) -> None:
    logits, labels = drawn_classes(3000, 12)
    probabilities = softmax(logits)
    score, expected = mapie(method, probabilities[:2000], labels[:2000], coverage, probabilities[2000:])
    rule = SetRule(method=method, coverage=coverage, limits=tuple(score.quantiles_))
    np.testing.assert_array_equal(rule.apply(probabilities[2000:]), expected)


@pytest.mark.parametrize("coverage", [0.6, 0.9, 0.99])
def test_raps_sets_are_those_of_the_definition(coverage: float) -> None:
    logits, labels = drawn_classes(3000, 12)
    probabilities = softmax(logits)
    rule = fit(probabilities[:2000], labels[:2000], sets="raps", coverage=coverage)
    assert rule.penalty > 0
    expected = [
        [
            likelier.sum() + own / 2 + rule.penalty * max(0, len(likelier) + 1 - rule.free_classes)
            <= rule.limits[0]
            or not len(likelier)
            for own in image
            for likelier in [image[image > own]]
        ]
        for image in in_double(probabilities[2000:])
    ]
    np.testing.assert_array_equal(rule.apply(probabilities[2000:]), expected)


@pytest.mark.parametrize("method", ["lac", "aps"])
@pytest.mark.parametrize(("images", "classes"), [(40, 3), (2000, 12), (2500, 1000)])
def test_limits_are_those_of_mapie(method: str, images: int, classes: int) -> None:
    logits, labels = drawn_classes(images + 200, classes, spread=4)
    probabilities, new = softmax(logits[:images]), softmax(logits[images:])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of classes without an image
        score, expected = mapie(method, probabilities, labels[:images], 0.9, new)
    rule = fit(probabilities, labels[:images], sets=method)
    assert rule.limits == pytest.approx(tuple(score.quantiles_), abs=0)
    np.testing.assert_array_equal(rule.apply(new), expected)


def test_sets_of_each_class_are_those_of_a_conformaliser_of_that_class() -> None:
    logits, labels = drawn_classes(3000, 4)
    probabilities, names = softmax(logits), np.arange(4)
    rule = fit(probabilities[:2000], labels[:2000], sets="lac", per_class=True)
    sets = rule.apply(probabilities[2000:])
    for name in names:
        of_class = labels[:2000] == name
        with pytest.warns(UserWarning, match="less labels"):
            _, alone = mapie(
                "lac", probabilities[:2000][of_class], labels[:2000][of_class], 0.9, probabilities[2000:]
            )
        np.testing.assert_array_equal(sets[:, name], alone[:, name])


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        # 1 - p <= limit.
        (SetRule(method="lac", coverage=0.9, limits=(0.75,)), [1, 1, 0, 0]),
        (SetRule(method="lac", coverage=0.9, limits=(0.4,)), [0, 0, 0, 0]),
        (SetRule(method="lac", coverage=0.9, limits=(0.4, 0.8, 0.85, 0.1)), [0, 1, 1, 0]),
        # Sums are 0.25, 0.625, 0.825, 0.95.
        (SetRule(method="aps", coverage=0.9, limits=(0.1,)), [1, 0, 0, 0]),
        (SetRule(method="aps", coverage=0.9, limits=(0.62,)), [1, 0, 0, 0]),
        (SetRule(method="aps", coverage=0.9, limits=(0.63,)), [1, 1, 0, 0]),
        (SetRule(method="aps", coverage=0.9, limits=(0.95,)), [1, 1, 1, 1]),
        (SetRule(method="aps", coverage=0.9, limits=(0.8, 0.4, 0.83, 0.94)), [1, 0, 1, 0]),
        # Sums are 0.25, 0.825, 1.225, 1.55.
        (SetRule(method="raps", coverage=0.9, limits=(1.23,), penalty=0.2, free_classes=1), [1, 1, 1, 0]),
        (SetRule(method="raps", coverage=0.9, limits=(1.22,), penalty=0.2, free_classes=1), [1, 1, 0, 0]),
    ],
)
def test_sets_by_hand(rule: SetRule, expected: list[int]) -> None:
    probabilities = np.array([[0.5, 0.25, 0.15, 0.1]])
    assert rule.apply(probabilities).tolist() == [[bool(included) for included in expected]]


@pytest.mark.parametrize("method", METHODS)
def test_equal_probabilities_are_in_together(method: SetMethod) -> None:
    rule = SetRule(method=method, coverage=0.9, limits=(0.8,))
    assert rule.apply(np.full((2, 4), 0.25, np.float32)).all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("per_class", [False, True])
@pytest.mark.parametrize("classes", [2, 6])
def test_promised_coverage_is_reached(method: str, per_class: bool, classes: int) -> None:
    # The mean over draws: a single draw of 600 images strays by a percentage point.
    covered, right = [], []
    for seed in range(15):
        logits, labels = drawn_classes(2600, classes, seed=seed)
        right.append(logits[600:].argmax(axis=1) == labels[600:])
        wrong_model = softmax(1.7 * logits)  # the promise needs no good model
        rule = fit(wrong_model[:600], labels[:600], sets=method, per_class=per_class, coverage=0.8)
        covered.append(rule.apply(wrong_model[600:])[np.arange(2000), labels[600:]])
    assert np.mean(covered) >= 0.8 - 0.01
    if not per_class:  # aps and raps hold the likeliest class always
        least = 0.8 if method == "lac" else max(0.8, np.mean(right))
        assert np.mean(covered) <= least + 0.02


def test_each_class_reaches_its_own_coverage() -> None:
    # Class 2 is told worse than the others: one limit for all leaves it short of its promise.
    logits, labels = drawn_classes(40_000, 3)
    logits[labels == 2, 2] -= 2
    probabilities = softmax(logits)
    sets = [
        fit(probabilities[:4000], labels[:4000], per_class=per_class).apply(probabilities[4000:])
        for per_class in (False, True)
    ]
    hard = labels[4000:] == 2
    for_all, for_each = (part[hard, 2].mean() for part in sets)
    assert for_all < 0.8
    assert for_each == pytest.approx(0.9, abs=0.03)


@pytest.mark.parametrize("method", METHODS)
def test_no_image_gives_no_set(method: SetMethod) -> None:
    rule = SetRule(method=method, coverage=0.9, limits=(0.8,))
    assert rule.apply(np.zeros((0, 4), np.float32)).shape == (0, 4)


@pytest.mark.parametrize(("coverage", "images"), [(0.5, 1), (0.8, 4), (0.9, 9), (0.95, 19), (0.99, 99)])
def test_images_needed_is_one_less_than_the_inverse(coverage: float, images: int) -> None:
    assert images_needed(coverage) == images


@pytest.mark.parametrize("coverage", np.arange(0.5, 0.999, 0.001).round(3).tolist()[::7])
def test_the_fewest_images_give_a_limit(coverage: float) -> None:
    images = images_needed(coverage)
    probabilities = softmax(drawn_classes(images, 3)[0])
    limit = fit(probabilities, np.zeros(images, int), coverage=coverage).limits[0]
    assert limit == pytest.approx(1 - in_double(probabilities)[:, 0].min())  # the worst of them


@pytest.mark.parametrize(
    ("method", "images"), [("lac", 8), ("aps", 8), ("raps", 47), ("lac", 0), ("raps", 0)]
)
def test_too_few_images_put_every_class_into_the_set(
    method: str, images: int, caplog: pytest.LogCaptureFixture
) -> None:
    logits, labels = drawn_classes(images + 10, 5)
    with caplog.at_level(logging.WARNING):
        rule = fit(softmax(logits[:images]), labels[:images], sets=method)
    assert rule.apply(softmax(logits)).all()
    assert "every class; 9 such images are needed" in caplog.text


def test_a_class_of_too_few_images_is_in_every_set(caplog: pytest.LogCaptureFixture) -> None:
    logits, labels = drawn_classes(400, 3)
    labels[labels == 1] = 0
    labels[:8] = 1
    rule = fit(softmax(10 * logits), labels, per_class=True)
    assert rule.limits[1] == UNREACHABLE
    assert max(rule.limits[0], rule.limits[2]) <= 1
    assert rule.apply(softmax(10 * logits))[:, 1].all()
    assert "images of class 1 to promise" in caplog.text


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("right", [True, False], ids=["all right", "all wrong"])
@pytest.mark.parametrize("classes", [2, 4])
def test_certain_answers_keep_the_promise(method: str, right: bool, classes: int) -> None:
    # Probabilities are 0 and 1: where all are wrong, the promise needs classes that the model rules out.
    labels = np.arange(200) % classes
    answers = labels if right else (labels + 1) % classes
    probabilities = np.eye(classes, dtype=np.float32)[answers]
    sets = fit(probabilities, labels, sets=method).apply(probabilities)
    assert sets[np.arange(200), labels].all()
    if right:
        assert (sets.sum(axis=1) == 1).all()


def test_sets_none_fits_no_rule() -> None:
    logits, labels = drawn_classes(100, 3)
    config = CalibrateConfig(sets="none")
    assert fit_sets(softmax(logits), labels, config, class_names="abc", seed=0) is None
