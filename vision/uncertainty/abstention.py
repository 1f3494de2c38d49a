"""From which confidence on an answer may stand without a person: an error that is promised, not observed.

Learn then Test (Angelopoulos et al. 2021) with fixed-sequence testing: the threshold of the best error on
validation images would be the luckiest of many, and new images would be wrong more often than it says.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vision.uncertainty.rules import UNREACHABLE

logger = logging.getLogger(__name__)

# The chance that the promise fails for the validation images at hand; MAPIE's default (confidence_level 0.9).
DELTA = 0.1
# Thresholds tried: steps of one in a hundred images. In a fixed sequence, more of them cost no certainty.
THRESHOLDS = 100


@dataclass(frozen=True)
class Answers:
    """Probability (N,) of each image's likeliest class, and whether that is right, (N,) bool."""

    confidence: NDArray[np.float32]
    is_right: NDArray[np.bool_]

    def __getitem__(self, rows: NDArray[np.intp]) -> Answers:
        return Answers(self.confidence[rows], self.is_right[rows])


def fit_abstention(learning: Answers, testing: Answers, target_error: float) -> float:
    """The lowest confidence such that answers at or above it are wrong in at most target_error of cases.

    The promise holds with a chance of 1 - DELTA over the draw of the testing images. The learning images
    propose thresholds and where to begin: at the one whose error is most surely low enough. From there on
    downwards each is tested by an exact binomial test at DELTA (the upper end of Clopper and Pearson's
    interval is below target_error), and the first that fails ends the sequence, so that all of the tests
    together are wrong with a chance of DELTA. The learning images must not be among the testing images.

    UNREACHABLE where nothing can be promised: with 0.01, of fewer than 230 testing images.
    """
    from mapie.risk_control import control_fwer

    if not len(learning.confidence):
        return _always_ask(testing, target_error)
    thresholds = _proposed(learning)
    begin = int(_p_values(learning, thresholds, target_error).argmin())
    sequence = thresholds[begin:]
    passed = control_fwer(_p_values(testing, sequence, target_error), DELTA, fwer_method="fixed_sequence")
    return float(sequence[passed[-1]]) if len(passed) else _always_ask(testing, target_error)


def answers_needed(target_error: float) -> int:
    """The fewest testing images that can prove the error, none of them wrong: 230 for 0.01."""
    return math.ceil(math.log(DELTA) / math.log1p(-target_error))


def _proposed(learning: Answers) -> NDArray[np.float64]:
    """Confidences that occur, falling; at last 0, which is to answer always."""
    shares = np.linspace(0, 1, THRESHOLDS)
    # "lower": a confidence that occurs, and so is exact in single precision, in which answers are compared.
    return np.unique(np.append(np.quantile(learning.confidence, shares, method="lower"), 0.0))[::-1]


def _p_values(answers: Answers, thresholds: NDArray[np.float64], target_error: float) -> NDArray[np.float64]:
    """(T,): how likely so few wrong answers at or above each threshold are, were the error target_error."""
    from scipy.stats import binom

    given = answers.confidence[:, None] >= thresholds
    wrong = (given & ~answers.is_right[:, None]).sum(axis=0)
    p_values: NDArray[np.float64] = binom.cdf(wrong, given.sum(axis=0), target_error)
    return p_values


def _always_ask(testing: Answers, target_error: float) -> float:
    logger.warning(
        "no confidence keeps the error at %g %% with a certainty of %g %%: every image is left to a person;"
        " %d validation images could test it, and at least %d without a mistake are needed, so raise"
        " config.split.validation or config.calibrate.target_error",
        100 * target_error,
        100 * (1 - DELTA),
        len(testing.confidence),
        answers_needed(target_error),
    )
    return UNREACHABLE
