"""How many answers are right, when nobody has said so: estimated from the model's doubt.

Average thresholded confidence (ATC) with negative entropy, Garg et al. 2022 (Leveraging Unlabeled Data to
Predict Out-of-Distribution Performance): below a threshold are as many of the reference as are wrong there;
the answers below it now are taken for wrong. Measured with a CIFAR-10 champion (int8, accuracy 0.84) under 14
corruptions at severities 1, 3 and 5: off by 7 points on average, 3, 7 and 12 at the three, and nearly always
too high. ATC with the top probability was off by 9, the difference of mean confidences (Guillory et al. 2021)
by 13, the mean confidence itself by 14. One fall, to 12 % under impulse noise, all of them missed: a model
that is surely wrong does not know it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vision.drift.contents import Accuracy
from vision.drift.profile import Profile
from vision.intervals import LEVEL, MetricEstimate, wilson_interval
from vision.task import Task

Numbers = NDArray[np.float64]
RESAMPLES = 300


def estimate_accuracy(reference: Profile, current: Profile, *, seed: int) -> Accuracy:
    """What can be said of the current answers' accuracy; each of the reference's must have been judged.

    Intervals are of chance alone (bootstrap over both sides; Wilson's where people judged): they do not hold
    the error of an estimate whose assumption drift has broken.
    """
    answering = reference.answering
    before, now = (sureness(profile.probabilities, answering.task) for profile in (reference, current))
    right, confidence = reference.right, answering.confidence(current.probabilities)
    random = np.random.default_rng(seed)
    old, new = (random.integers(0, len(side), (RESAMPLES, len(side))) for side in (before, now))
    estimates = _above_threshold(before[old], right[old], now[new])
    value = _above_threshold(before[None], right[None], now[None])
    return Accuracy(
        reference=wilson_interval(int(right.sum()), len(right)),
        estimated=_percentiles(float(value[0]), estimates),
        mean_confidence=_percentiles(float(confidence.mean()), confidence[new].mean(axis=1)),
        measured=wilson_interval(int(current.right.sum()), len(current.right))
        if len(current.right)
        else None,
    )


def sureness(probabilities: NDArray[np.float32], task: Task) -> Numbers:
    """(N,): minus the entropy in nats, 0 of an answer without doubt; of several labels, the sum of theirs."""
    from scipy.special import xlogy

    exact = probabilities.astype(np.float64)
    certain = xlogy(exact, exact)
    if task == "multi_label":
        certain = certain + xlogy(1 - exact, 1 - exact)
    total: Numbers = certain.sum(axis=1)
    return total


def _above_threshold(before: Numbers, right: NDArray[np.bool_], now: Numbers) -> Numbers:
    """(R,): the share of each row of `now` (R, n) at or above the number that has as many below it in
    `before` (R, N) as are wrong there."""
    rising = np.sort(before, axis=1)
    limits = np.append(rising, np.full((len(rising), 1), np.inf), axis=1)  # where all are wrong
    wrong = (~right).sum(axis=1, keepdims=True)
    share: Numbers = (now >= np.take_along_axis(limits, wrong, axis=1)).mean(axis=1)
    return share


def _percentiles(value: float, resampled: Numbers) -> MetricEstimate:
    low, high = np.quantile(resampled, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return MetricEstimate(value=value, low=min(value, float(low)), high=max(value, float(high)))
