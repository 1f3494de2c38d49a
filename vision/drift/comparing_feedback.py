"""What people said of the answers: is the promised coverage kept, and are as many right as at first?

The only tests that see a change of what is right where images and answers look the same. They take the
judged answers for a fair draw: feedback that is given on mistakes alone makes them raise an alarm.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from vision.drift.finding import Finding

ROUNDING = 1e-9  # 20 * (1 - 0.9) is 1.9999999999999996, and two images are meant


def check_coverage(current: NDArray[np.bool_], *, promised: float, calibrated_on: int) -> Finding:
    """Do prediction sets hold the truth less often than `promised`, 0..1, of answers (F,)?

    Exact: of sets that so many images calibrated, the covered of F new ones are beta-binomial (Angelopoulos
    and Bates 2021, A Gentle Introduction to Conformal Prediction, section 3.2). A binomial test would take
    the promise for the coverage itself, and the luck of the calibration for drift.
    """
    from scipy.stats import betabinom

    missed = max(1, math.floor((calibrated_on + 1) * (1 - promised) + ROUNDING))
    covered = int(current.sum())
    share = covered / len(current)
    return Finding(
        name="coverage of prediction sets",
        subject="feedback",
        method="covered answers, beta-binomial",
        statistic=covered,
        p_value=float(betabinom.cdf(covered, len(current), calibrated_on + 1 - missed, missed)),
        effect=share - promised,
        effect_name="difference from the promise",
        said=(
            f"Prediction sets hold the truth in {100 * share:.1f} % of {len(current)} judged answers,"
            f" promised were {100 * promised:.0f} %"
        ),
    )


def compare_right(reference: NDArray[np.bool_], current: NDArray[np.bool_]) -> Finding:
    """Are fewer of the judged answers (F,) right than of the reference (N,)? Fisher's exact test."""
    from scipy.stats import fisher_exact

    counts = [[int(right.sum()), int((~right).sum())] for right in (current, reference)]
    before, now = float(reference.mean()), float(current.mean())
    test = fisher_exact(counts, alternative="less")
    return Finding(
        name="right answers",
        subject="feedback",
        method="Fisher's exact test",
        statistic=counts[0][0],
        p_value=float(test.pvalue),
        effect=now - before,
        effect_name="difference of shares",
        said=(
            f"Of {len(current)} judged answers {100 * now:.1f} % are right, of the reference"
            f" {100 * before:.1f} %"
        ),
    )
