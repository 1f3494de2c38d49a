"""Permutation tests: how often does chance alone divide the pooled rows into parts as unlike as these?

Exact whatever the distribution, as rows of one distribution may be exchanged (Lehmann and Romano,
Testing Statistical Hypotheses, 2005, theorem 15.2.1).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Divisions (B, N): 1 where a row is of the second part, else 0.
Divisions = NDArray[np.float32]
Statistic = Callable[[Divisions], NDArray[np.floating]]  # -> (B,), the greater the more unlike

BLOCK = 100
# Divisions as unlike as the real one at which the search ends: undrifted data is cleared after some hundred.
ENOUGH = 20
# Sums in another order differ by this much, of equals.
ROUNDING = 1e-5


@dataclass(frozen=True)
class Permuted:
    """The real division's statistic, and the mean of drawn ones."""

    statistic: float
    by_chance: float
    p_value: float


def permute(
    statistic: Statistic, sizes: tuple[int, int], *, permutations: int, random: np.random.Generator
) -> Permuted:
    """The test of the first sizes[0] rows against the sizes[1] after them.

    The p-value is Besag and Clifford's (1991, Sequential Monte Carlo p-values): ENOUGH / the draws that
    it took to find so many, else, after all draws, (found + 1) / (permutations + 1). Both are exact, and
    data without drift needs a tenth of the draws.
    """
    real = np.repeat(np.array([0, 1], np.float32), sizes)
    observed = float(statistic(real[None])[0])
    drawn = np.zeros(0)
    while len(drawn) < permutations and _reached(drawn, observed).sum() < ENOUGH:
        block = np.tile(real, (min(BLOCK, permutations - len(drawn)), 1))
        drawn = np.append(drawn, statistic(random.permuted(block, axis=1)))
    found = np.flatnonzero(_reached(drawn, observed))
    if len(found) >= ENOUGH:
        p_value = ENOUGH / (found[ENOUGH - 1] + 1)
    else:
        p_value = (len(found) + 1) / (permutations + 1)
    return Permuted(observed, float(drawn.mean()), float(p_value))


def _reached(drawn: NDArray[np.floating], observed: float) -> NDArray[np.bool_]:
    reached: NDArray[np.bool_] = drawn >= observed - ROUNDING * abs(observed)
    return reached
