"""The confidence from which no person is asked: promised by an exact test, never without proof."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from tests.unit.simulated_answers import drawn_classes
from vision.classifier import softmax
from vision.uncertainty.abstention import DELTA, Answers, answers_needed, fit_abstention
from vision.uncertainty.rules import UNREACHABLE


def answers_of(images: int, *, classes: int = 10, seed: int = 0) -> Answers:
    logits, labels = drawn_classes(images, classes, spread=5, seed=seed)
    probabilities = softmax(logits)
    return Answers(probabilities.max(axis=1), probabilities.argmax(axis=1) == labels)


def constant(images: int, wrong: int, confidence: float = 0.9) -> Answers:
    return Answers(np.full(images, confidence, np.float32), np.arange(images) >= wrong)


@pytest.mark.parametrize("target", [0.01, 0.05])
def test_the_error_is_kept_in_nine_draws_of_ten(target: float) -> None:
    population = answers_of(100_000, seed=10_000)
    broken = 0
    for seed in range(100):
        learning, testing = answers_of(800, seed=2 * seed), answers_of(800, seed=2 * seed + 1)
        given = population.confidence >= fit_abstention(learning, testing, target)
        broken += bool(given.any()) and (~population.is_right[given]).mean() > target
    # A tenth may break the promise: with a chance of 0.999 no more than so many.
    assert broken <= binom(100, DELTA).ppf(0.999)


def test_most_of_what_can_be_answered_is_answered() -> None:
    population = answers_of(200_000, seed=10_000)
    order = np.argsort(-population.confidence)
    errors = np.cumsum(~population.is_right[order]) / np.arange(1, 200_001)
    possible = (errors <= 0.05).nonzero()[0].max() / 200_000
    threshold = fit_abstention(answers_of(2500, seed=0), answers_of(2500, seed=1), 0.05)
    assert (population.confidence >= threshold).mean() > 0.85 * possible


@pytest.mark.parametrize(("target", "needed"), [(0.01, 230), (0.05, 45), (0.5, 4)])
def test_answers_needed_are_those_that_clopper_and_pearson_need(target: float, needed: int) -> None:
    assert answers_needed(target) == needed
    # A two-sided interval of level 1 - 2 DELTA has the one-sided upper end of level 1 - DELTA.
    ends = [binomtest(0, n).proportion_ci(1 - 2 * DELTA).high for n in (needed - 1, needed)]
    assert ends[0] > target >= ends[1]


def test_all_right_is_answered_from_the_fewest_images_on(caplog: pytest.LogCaptureFixture) -> None:
    learning = constant(230, 0)
    assert fit_abstention(learning, constant(230, 0), 0.01) == 0.0
    with caplog.at_level(logging.WARNING):
        assert fit_abstention(learning, constant(229, 0), 0.01) == UNREACHABLE
    assert "at least 230" in caplog.text


@pytest.mark.parametrize(("wrong", "answers"), [(1, True), (2, False)])
def test_as_many_mistakes_as_clopper_and_pearson_allow(wrong: int, answers: bool) -> None:
    # Of 400 images: with 1 mistake the upper end is 0.0097, with 2 it is 0.0133.
    high = binomtest(wrong, 400).proportion_ci(1 - 2 * DELTA).high
    assert (high <= 0.01) is answers
    assert (fit_abstention(constant(400, 0), constant(400, wrong), 0.01) < 1) is answers


@pytest.mark.parametrize(
    ("learning", "testing"),
    [
        (constant(500, 500), constant(500, 500)),
        (constant(500, 0), constant(500, 500)),
        (constant(1, 0), constant(0, 0)),
        (constant(0, 0), constant(0, 0)),
        (constant(0, 0), constant(500, 0)),
    ],
    ids=["all wrong", "wrong where it counts", "one image", "none", "none to learn from"],
)
def test_nothing_proved_is_always_asked(learning: Answers, testing: Answers) -> None:
    assert fit_abstention(learning, testing, 0.01) == UNREACHABLE


def test_the_wrong_are_left_to_a_person() -> None:
    # 1,000 sure answers, all right, and 1,000 unsure ones, every other wrong.
    confidence = np.repeat(np.array([0.99, 0.6], np.float32), 1000)
    answers = Answers(confidence, (np.arange(2000) < 1000) | (np.arange(2000) % 2 == 0))
    threshold = fit_abstention(answers, answers, 0.01)
    assert (confidence >= threshold).tolist() == [True] * 1000 + [False] * 1000


def test_luck_at_the_top_is_not_taken_for_proof() -> None:
    # The empirical best: no mistake among the surest 100. They are too few to promise 1 %.
    confidence = np.linspace(1, 0.5, 1000).astype(np.float32)
    answers = Answers(confidence, (np.arange(1000) < 100) | (np.arange(1000) % 5 > 0))
    assert fit_abstention(answers, answers, 0.01) == UNREACHABLE
