"""Tests of two arms that may be looked at after every answer: false alarms have probability alpha at most.

Ordinary p-values do not allow that: looked at a thousand times, a test at 5 % raises a false alarm in half
of all cases (Armitage et al. 1969). Here the evidence is the capital of a gambler who bets against the
hypothesis at fair odds: while it is true, the capital ever reaches 1 / alpha with probability alpha at most
(Ville 1939).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

Arm = Literal["champion", "challenger"]
Verdict = Literal["challenger_better", "challenger_worse", "undecided"]
T = TypeVar("T")

# Of the Beta distribution that bets are drawn from, as a number of imagined trials. Few: open to any share.
OPEN = 2.0
# Five points between 85 and 90 % divide the pairs that differ 61 to 39: near a half, so bets are near it too.
NEAR = 20.0
# Answers of each arm in one comparison of latencies; the 19th of 20 is their 95th percentile by nearest rank.
BLOCK = 20
RANK = 18


def log_evidence(successes: int, trials: int, *, share: float, imagined: float = OPEN) -> float:
    """Natural logarithm of the capital against "the probability of success is `share`", which begins with 0.

    The likelihood ratio of a mixture (Robbins 1970): the other probabilities are Beta distributed around
    `share`, with the weight of `imagined` trials. Trials are independent; no trial may be left out for its
    outcome.
    """
    alpha, beta = imagined * share, imagined * (1 - share)
    failures = trials - successes
    mixture = _log_beta(alpha + successes, beta + failures) - _log_beta(alpha, beta)
    return mixture - successes * math.log(share) - failures * math.log1p(-share)


def is_above(successes: int, trials: int, *, share: float, alpha: float, imagined: float = OPEN) -> bool:
    """Whether successes are more probable than `share`: asked after every trial, wrong with `alpha` at most.

    That holds for every smaller probability too: above the share the capital grows with the successes, and a
    smaller probability has fewer of them.
    """
    if successes <= trials * share:
        return False
    return log_evidence(successes, trials, share=share, imagined=imagined) >= -math.log(alpha)


def pair(
    waiting: tuple[Arm, T] | None, arm: Arm, value: T
) -> tuple[tuple[Arm, T] | None, tuple[T, T] | None]:
    """What waits now, and the pair (champion's, challenger's) that the value completes, if it does.

    A value waits for the next one of the other arm, and a newer one of its own arm takes its place: a pair
    holds neighbours in time, so that what is hard or slow at an hour of the day is so for both.
    """
    if waiting is None or waiting[0] == arm:
        return (arm, value), None
    return None, (waiting[1], value) if arm == "challenger" else (value, waiting[1])


@dataclass(frozen=True)
class AccuracyTest:
    """Which arm is right more often, by feedback that comes for either in any order.

    Of the pairs of which one arm alone was right, each arm has half while both are equally often right,
    however often that is (Wald 1947, Sequential Analysis, chapter 6; McNemar's test, without its end).
    """

    champion_only: int = 0  # pairs of which the champion alone was right
    challenger_only: int = 0
    waiting: tuple[Arm, bool] | None = None

    def update(self, arm: Arm, right: bool) -> AccuracyTest:
        """With one more answer that was judged."""
        waiting, done = pair(self.waiting, arm, right)
        champion, challenger = done or (False, False)
        return AccuracyTest(
            self.champion_only + (champion and not challenger),
            self.challenger_only + (challenger and not champion),
            waiting,
        )

    def decide(self, alpha: float) -> Verdict:
        """The verdict so far; of equal arms ever another than undecided with probability `alpha` at most."""
        differ = self.champion_only + self.challenger_only
        if is_above(self.challenger_only, differ, share=0.5, alpha=alpha, imagined=NEAR):
            return "challenger_better"
        if is_above(self.champion_only, differ, share=0.5, alpha=alpha, imagined=NEAR):
            return "challenger_worse"
        return "undecided"


@dataclass(frozen=True)
class TailTest:
    """Whether the challenger's 95th percentile of latency is more than `ratio` times the champion's.

    Twenty pairs at a time are one comparison of the two percentiles. While the challenger takes at most
    `ratio` times as long as its neighbours in time, it loses each with probability 1/2 at most.
    """

    ratio: float
    compared: int = 0
    slower: int = 0
    pairs: tuple[tuple[float, float], ...] = ()
    waiting: tuple[Arm, float] | None = None

    def update(self, arm: Arm, seconds: float) -> TailTest:
        """With one more answer's latency."""
        waiting, done = pair(self.waiting, arm, seconds)
        pairs = self.pairs if done is None else (*self.pairs, done)
        if len(pairs) < BLOCK:
            return replace(self, waiting=waiting, pairs=pairs)
        champion, challenger = (sorted(latencies)[RANK] for latencies in zip(*pairs, strict=True))
        slower = self.slower + (challenger > self.ratio * champion)
        return TailTest(self.ratio, self.compared + 1, slower)

    def is_slower(self, alpha: float) -> bool:
        """Said of a challenger that is not, ever, with probability `alpha` at most."""
        return is_above(self.slower, self.compared, share=0.5, alpha=alpha)


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
