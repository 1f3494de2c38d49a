"""Tests that may be looked at after every answer: fair odds, false alarms and detection by simulation."""

from __future__ import annotations

import math
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from pydantic import TypeAdapter
from scipy.stats import betabinom, binom

from vision.sequential import BLOCK, NEAR, AccuracyTest, TailTest, is_above, log_evidence, pair

ALPHA = 0.05
RUNS, PAIRS = 4000, 500


@pytest.mark.parametrize(("successes", "trials", "share"), [(0, 0, 0.5), (7, 9, 0.5), (3, 200, 0.01)])
@pytest.mark.parametrize("imagined", [2.0, 20.0])
def test_evidence_is_the_likelihood_ratio_of_the_mixture(successes, trials, share, imagined) -> None:
    mixture = betabinom(trials, imagined * share, imagined * (1 - share))

    expected = mixture.logpmf(successes) - binom(trials, share).logpmf(successes)

    assert log_evidence(successes, trials, share=share, imagined=imagined) == pytest.approx(expected)


@pytest.mark.parametrize("share", [0.5, 0.01])
def test_bets_are_fair(share) -> None:
    """What the capital is on average after the next trial is what it is now."""
    for successes, trials in ((0, 0), (2, 3), (5, 40)):
        won, lost = (math.exp(log_evidence(successes + more, trials + 1, share=share)) for more in (1, 0))
        now = math.exp(log_evidence(successes, trials, share=share))
        assert share * won + (1 - share) * lost == pytest.approx(now)


def test_eleven_of_eleven_are_beyond_chance_at_one_percent_and_ten_are_not() -> None:
    # Uniform bets: 2 ** n / (n + 1), 93 after ten and 171 after eleven; 100 is asked.
    assert not is_above(10, 10, share=0.5, alpha=0.01)
    assert is_above(11, 11, share=0.5, alpha=0.01)


def test_fewer_successes_than_the_share_are_never_above_it() -> None:
    assert log_evidence(0, 1000, share=0.5) > 100
    assert not is_above(0, 1000, share=0.5, alpha=ALPHA)


@pytest.mark.parametrize("probability", [0.02, 0.015])
def test_is_above_keeps_its_level_at_every_look(probability) -> None:
    """At the share itself and below it."""
    successes = np.random.default_rng(1).random((RUNS, 1000)) < probability
    first = [first_above(trials, 0.02) for trials in range(1, 1001)]

    alarms = (successes.cumsum(axis=1) >= first).any(axis=1).mean()

    assert alarms <= ALPHA + 3 * math.sqrt(ALPHA / RUNS)


@cache
def first_above(trials: int, share: float) -> int:
    """The fewest successes that are above."""
    return next((k for k in range(trials + 1) if is_above(k, trials, share=share, alpha=ALPHA)), trials + 1)


def test_a_value_waits_for_the_newest_of_the_other_arm() -> None:
    waiting, done = pair(None, "champion", 1)
    waiting, done = pair(waiting, "champion", 2)
    assert (waiting, done) == (("champion", 2), None)

    assert pair(waiting, "challenger", 3) == (None, (2, 3))
    assert pair(("challenger", 3), "champion", 4) == (None, (4, 3))


def test_only_pairs_of_which_one_arm_was_right_count() -> None:
    answers = [(True, True), (True, False), (False, False), (False, True), (True, False)]
    test = AccuracyTest()
    for champion, challenger in answers:
        test = test.update("champion", champion).update("challenger", challenger)

    assert (test.champion_only, test.challenger_only, test.waiting) == (2, 1, None)


@cache
def verdicts() -> np.ndarray:
    """(lost, gained) -> -1 worse, 0 undecided, 1 better."""
    size = 200
    number = {"challenger_worse": -1, "undecided": 0, "challenger_better": 1}
    rows = [
        [number[AccuracyTest(lost, gained).decide(ALPHA)] for gained in range(size)] for lost in range(size)
    ]
    return np.array(rows, np.int8)


def simulate(champion: float, challenger: float, seed: int) -> np.ndarray:
    """Verdicts (RUNS, PAIRS) after every pair, of arms that are right so often."""
    random = np.random.default_rng(seed)
    ours, theirs = (random.random((RUNS, PAIRS)) < share for share in (challenger, champion))
    lost, gained = (theirs & ~ours).cumsum(axis=1), (ours & ~theirs).cumsum(axis=1)
    return verdicts()[lost, gained]


@pytest.mark.parametrize("accuracy", [0.5, 0.9, 0.99])
def test_equal_arms_raise_false_alarms_at_the_level_at_most_though_looked_at_after_every_pair(
    accuracy,
) -> None:
    alarms = simulate(accuracy, accuracy, seed=2).any(axis=1).mean()

    assert alarms <= ALPHA + 3 * math.sqrt(ALPHA / RUNS)
    if accuracy < 0.99:  # there the pairs that differ are too few to say anything
        assert alarms > ALPHA / 5, "a test that never speaks is none"


def test_ten_points_are_found_and_never_taken_for_the_opposite() -> None:
    seen = simulate(0.9, 0.8, seed=3)

    assert (seen == -1).any(axis=1).mean() > 0.9
    assert (seen == 1).any(axis=1).mean() < ALPHA / 2


def test_five_points_are_found_in_3000_pairs() -> None:
    """Growth by hand: 0.22 of pairs differ, 61.4 to 38.6: 0.0057 nats a pair, so 17 where 3 are asked."""
    random = np.random.default_rng(4)
    found = 0
    for _ in range(100):
        lost = int((random.random(3000) < 0.90 * 0.15).sum())
        gained = int((random.random(3000) < 0.85 * 0.10).sum())
        found += AccuracyTest(lost, gained).decide(ALPHA) == "challenger_worse"

    assert found >= 95


def test_state_goes_through_json() -> None:
    state = TypeAdapter(AccuracyTest)
    test = AccuracyTest(3, 4, ("challenger", True))

    assert state.validate_json(state.dump_json(test)) == test


def compare(champion: list[float], challenger: list[float], ratio: float = 2.0) -> TailTest:
    test = TailTest(ratio)
    for theirs, ours in zip(champion, challenger, strict=True):
        test = test.update("champion", theirs).update("challenger", ours)
    return test


def test_tails_are_compared_by_the_second_slowest_of_twenty() -> None:
    steady = [1.0] * BLOCK
    one_slow, two_slow = [99.0, *steady[1:]], [99.0, 2.1, *steady[2:]]

    assert compare(steady, one_slow).slower == 0
    assert compare(steady, two_slow).slower == 1
    assert compare(steady, [2.0] * BLOCK).slower == 0, "twice as long is allowed"
    assert compare(two_slow, two_slow).slower == 0


def test_a_comparison_begins_with_twenty_new_pairs() -> None:
    test = compare([1.0] * 39, [9.0] * 39)

    assert (test.compared, test.slower, len(test.pairs)) == (1, 1, 19)
    assert test.update("champion", 1.0).update("challenger", 9.0).compared == 2


def test_equal_tails_are_found_slower_at_the_level_at_most_even_in_bursts() -> None:
    """At the limit itself, ratio 1, heavy-tailed, and now and then all is ten times slower for a while."""
    random = np.random.default_rng(5)
    alarms = 0
    for _ in range(100):
        bursts = np.repeat(np.where(random.random(40) < 0.2, 10, 1), 20)
        champion, challenger = np.exp(random.normal(size=(2, 800))) * bursts
        tests = [compare([], [], 1.0)]
        for theirs, ours in zip(champion, challenger, strict=True):
            tests.append(tests[-1].update("champion", theirs).update("challenger", ours))
        alarms += any(
            now.is_slower(ALPHA) for before, now in pairwise(tests) if now.compared > before.compared
        )

    assert alarms <= 100 * ALPHA + 3 * math.sqrt(100 * ALPHA)


def test_imagined_trials_bring_five_points_to_light_sooner() -> None:
    """61 to 39 of 300 pairs that differ: what the origin of NEAR says."""
    lost = round(0.614 * 300)

    assert log_evidence(lost, 300, share=0.5, imagined=NEAR) > log_evidence(lost, 300, share=0.5)
