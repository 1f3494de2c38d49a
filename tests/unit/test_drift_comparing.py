"""Each test of drift against figures worked out by hand, or by another library."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy.stats import chi2_contingency

from tests.unit.drifting_service import seen
from vision.drift.accuracy import estimate_accuracy, sureness
from vision.drift.answering import Answering
from vision.drift.comparing_answers import (
    class_counts,
    compare_numbers,
    compare_predictions,
    count_unusual,
    effect_sizes,
)
from vision.drift.comparing_feedback import check_coverage, compare_right
from vision.drift.comparing_images import compare_embeddings, tell_apart
from vision.drift.gallery import most_drifted
from vision.drift.permutation import ENOUGH, permute
from vision.drift.profile import Profile
from vision.task import has_class

YES, NO = np.ones(1, bool), np.zeros(1, bool)


def random(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_permutation_p_value_is_the_share_of_divisions_as_unlike() -> None:
    values = np.array([0, 1, 2, 3, 4, 5], np.float32)
    found = permute(lambda drawn: drawn @ values, (3, 3), permutations=20_000, random=random())
    # 3 + 4 + 5: one of the 20 ways to choose three.
    assert found.statistic == 12
    assert found.p_value == pytest.approx(1 / len([*combinations(values, 3)]), rel=0.5)


def test_permutation_p_value_of_what_never_happens_is_one_in_the_draws() -> None:
    values = np.repeat(np.array([0, 1], np.float32), 50)
    found = permute(lambda drawn: drawn @ values, (50, 50), permutations=400, random=random())
    assert found.p_value == 1 / 401


def test_permutations_end_where_there_is_nothing_to_see() -> None:
    asked = []

    def same(drawn):
        asked.append(len(drawn))
        return np.zeros(len(drawn))

    assert permute(same, (5, 5), permutations=10**6, random=random()).p_value == 1
    assert sum(asked) < 10 * ENOUGH


def test_numbers_that_do_not_meet_are_as_far_apart_as_can_be() -> None:
    found = compare_numbers("width", np.arange(50.0), np.arange(50.0) + 1000, subject="inputs")
    assert (found.statistic, found.effect) == (1, 1)
    assert found.p_value < 1e-10
    assert "The median width is 1,024, of the reference 24.5" in found.said


def test_one_answer_beyond_all_of_the_reference_has_the_chance_of_its_rank() -> None:
    """Of 100 equally distributed numbers each is the greatest with a chance of 1 in 100."""
    assert count_unusual(np.arange(99.0), np.array([1e9])).p_value == pytest.approx(0.01)
    assert count_unusual(np.arange(99.0), np.array([50.0])).p_value == 1


def test_chi_square_is_that_of_scipy() -> None:
    before, now = (has_class(random(seed).integers(0, 5, 80 + seed), 6) for seed in (1, 2))
    found = compare_predictions(before, now, task="multi_class", permutations=100, random=random())
    table = np.stack([before.sum(axis=0), now.sum(axis=0)])[:, :5]
    assert found.statistic == pytest.approx(chi2_contingency(table).statistic)
    assert found.p_value == pytest.approx(chi2_contingency(table).pvalue, abs=0.2)


def test_chi_square_of_labels_is_the_sum_of_theirs() -> None:
    before, now = (random(seed).random((60 + seed, 3)) < 0.4 for seed in (1, 2))
    found = compare_predictions(before, now, task="multi_label", permutations=100, random=random())
    tables = [[[part.sum(), (~part).sum()] for part in pair] for pair in zip(before.T, now.T, strict=True)]
    alone = [chi2_contingency(table, correction=False).statistic for table in tables]
    assert found.statistic == pytest.approx(sum(alone))


def test_effects_of_classes_that_exclude_each_other() -> None:
    distance, index = effect_sizes(np.array([9, 0, 0]), np.array([0, 9, 0]))
    # With half an image more: shares 0.95 and 0.05, so twice 0.9 ln 19.
    assert (distance, index) == (pytest.approx(1), pytest.approx(2 * 0.9 * np.log(19)))
    assert effect_sizes(np.array([3, 6]), np.array([3, 6])) == (0, 0)


def test_images_without_a_label_are_counted_too() -> None:
    given = np.array([[True, True], [False, False], [False, True]])
    assert class_counts(given).tolist() == [1, 2, 1]


def test_mmd_is_that_of_its_definition() -> None:
    before, now = random(1).normal(size=(12, 2)), random(2).normal(size=(6, 2))
    found = compare_embeddings(before, now, permutations=100, random=random())
    rows = np.concatenate([before, now])
    squares = ((rows[:, None] - rows) ** 2).sum(axis=2)
    kernel = np.exp(-squares / (2 * np.median(squares[squares > 0])))
    wanted = kernel[:12, :12].mean() + kernel[12:, 12:].mean() - 2 * kernel[:12, 12:].mean()
    assert found.statistic == pytest.approx(wanted, rel=1e-4)


def test_domain_classifier_tells_what_lies_apart_and_nothing_else() -> None:
    before, now = random(1).normal(size=(200, 3)), random(2).normal(size=(100, 3))
    far = tell_apart(before, now + 9, random=random())
    assert far.effect == 1
    assert far.p_value < 1e-10
    assert tell_apart(before, now, random=random()).p_value > 0.01


def test_coverage_of_one_answer_has_the_chance_that_was_promised() -> None:
    """Nine calibration images promise 0.9 of the tenth, exactly."""
    assert check_coverage(NO, promised=0.9, calibrated_on=9).p_value == pytest.approx(0.1)
    assert check_coverage(YES, promised=0.9, calibrated_on=9).p_value == 1
    # 0.1 of 20 are two, not 1.9999999999999996.
    assert check_coverage(NO, promised=0.9, calibrated_on=19).p_value == pytest.approx(0.1)


def test_right_answers_are_compared_exactly() -> None:
    """Two right of four: that both are of the reference is one of six ways."""
    assert compare_right(np.repeat(YES, 2), np.repeat(NO, 2)).p_value == pytest.approx(1 / 6)
    assert compare_right(np.repeat(NO, 2), np.repeat(YES, 2)).p_value == 1


def profile(top: list[float], right: list[bool]) -> Profile:
    probabilities = np.array([[chance, 1 - chance] for chance in top], np.float32)
    return Profile(probabilities, np.zeros(len(top)), np.array(right), np.zeros(0, bool))


def test_accuracy_is_estimated_by_the_threshold_of_the_reference() -> None:
    """Three of four are right, so the threshold lies above the least sure; two of the five are above it."""
    reference = profile([0.99, 0.9, 0.8, 0.6], [True, True, True, False])
    found = estimate_accuracy(reference, profile([0.95, 0.85, 0.6, 0.55, 0.5], []), seed=0)
    assert found.estimated.value == pytest.approx(0.4)
    assert found.mean_confidence.value == pytest.approx(np.mean([0.95, 0.85, 0.6, 0.55, 0.5]))
    assert found.reference.value == 0.75
    assert found.measured is None


def test_accuracy_is_estimated_well_where_the_model_knows_its_doubt() -> None:
    reference = seen(2000, 0, random=random(1))
    current = seen(1000, 0, random=random(2), prior=(0.7, 0.1, 0.1, 0.1))
    found = estimate_accuracy(reference, current, seed=0)
    assert found.estimated.low <= found.measured.value <= found.estimated.high


def test_sureness_is_minus_the_entropy() -> None:
    half = np.array([[0.5, 0.5], [1.0, 0.0]], np.float32)
    assert sureness(half, "multi_class") == pytest.approx([-np.log(2), 0])
    assert sureness(half, "multi_label") == pytest.approx([-2 * np.log(2), 0])


def test_confidence_of_several_labels_is_that_all_are_right() -> None:
    answering = Answering(task="multi_label", thresholds=(0.5, 0.9))
    probabilities = np.array([[0.8, 0.7]], np.float32)
    assert answering.given(probabilities).tolist() == [[True, False]]
    assert answering.confidence(probabilities) == pytest.approx([0.8 * 0.3])


def test_strangest_images_come_first() -> None:
    reference, current = seen(300, 300, random=random(1)), seen(50, 50, random=random(2))
    strange = current.embeddings.copy()
    strange[[7, 3]] = [[-9.0] * 6, [-1.0, -9, 9, -9, 9, -9]]
    moved = Profile(current.probabilities, current.energy, YES, YES, embeddings=strange)
    assert set(most_drifted(reference, moved, count=2)) == {3, 7}


def test_without_embeddings_no_image_is_strange() -> None:
    reference = seen(300, 300, random=random())
    assert most_drifted(reference, seen(50, 0, random=random())).tolist() == []
