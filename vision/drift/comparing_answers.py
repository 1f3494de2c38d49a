"""Has anything changed in one number an image or an answer has, or in the classes that are predicted?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vision.drift.finding import Finding, Subject, in_words
from vision.drift.permutation import Divisions, permute
from vision.task import Present, Task

# Of the reference: what is beyond is unusual, as USUAL_SHARE in vision.calibration has it.
UNUSUAL_SHARE = 0.01


def compare_numbers(
    name: str, reference: NDArray[np.float64], current: NDArray[np.float64], *, subject: Subject
) -> Finding:
    """Kolmogorov and Smirnov's two-sample test of numbers (N,) and (n,); the effect is its statistic, 0..1.

    By its limit, not exactly: that is not defined for equal numbers, of which sizes have many; with ties the
    test is conservative.
    """
    from scipy.stats import ks_2samp

    test = ks_2samp(reference, current, method="asymp")
    before, now = (float(np.median(values)) for values in (reference, current))
    words = in_words(name)
    return Finding(
        name=name,
        subject=subject,
        method="Kolmogorov-Smirnov",
        statistic=float(test.statistic),
        p_value=float(test.pvalue),
        effect=float(test.statistic),
        effect_name="widest gap between the distributions",
        said=(
            f"The median {words} is {_figure(now)}, of the reference {_figure(before)}; the distributions are"
            f" up to {100 * test.statistic:.0f} points apart"
        ),
    )


def _figure(number: float) -> str:
    return f"{number:,.0f}" if abs(number) >= 1000 else f"{number:.3g}"


def count_unusual(reference: NDArray[np.float64], current: NDArray[np.float64]) -> Finding:
    """Are more answers unusual than of the reference, where UNUSUAL_SHARE are? By energies (N,) and (n,).

    What a few images of something new do to the energy is in its tail, where Kolmogorov and Smirnov's test is
    blunt. The number of n new values above the r-th greatest of N is beta-binomial (n, r, N - r + 1),
    whatever the distribution: exact, though the limit is itself drawn from the reference.
    """
    from scipy.stats import betabinom

    rank = max(1, round(UNUSUAL_SHARE * len(reference)))
    above = int((current > np.sort(reference)[-rank]).sum())
    expected = rank / (len(reference) + 1)
    share = above / len(current)
    return Finding(
        name="unusual answers",
        subject="energy",
        method="count above the reference's limit, beta-binomial",
        statistic=above,
        p_value=float(betabinom.sf(above - 1, len(current), rank, len(reference) - rank + 1)),
        effect=share - expected,
        effect_name="difference of shares",
        said=f"{100 * share:.1f} % of the answers are unusual, of the reference {100 * expected:.1f} %",
    )


def compare_predictions(
    reference: Present,
    current: Present,
    *,
    task: Task,
    permutations: int,
    random: np.random.Generator,
) -> Finding:
    """Are other classes predicted? Of what was given, (N, K) and (n, K), at least one class to any image.

    Pearson's chi-square of the two rows of counts; of several labels, the sum of each label's. By
    permutation: rare classes are expected less than the five times that its limit needs. The effect is the
    Jensen-Shannon distance in bits (0..1); the population stability index (PSI) stands in the sentence.
    """
    given = np.concatenate([reference, current])
    given = given[:, given.any(axis=0)].astype(np.float32)
    sizes = (len(reference), len(current))
    share = given.mean(axis=0, dtype=np.float64)
    variance = share * (1 - share) if task == "multi_label" else share
    totals = given.sum(axis=0, dtype=np.float64)

    def chi_square(divisions: Divisions) -> NDArray[np.floating]:
        counts = (divisions @ given).astype(np.float64)
        gaps = counts / sizes[1] - (totals - counts) / sizes[0]
        kept = variance > 0  # a label that all images have
        scaled: NDArray[np.floating] = (gaps[:, kept] ** 2 / variance[kept]).sum(axis=1)
        return scaled / (1 / sizes[0] + 1 / sizes[1])

    found = permute(chi_square, sizes, permutations=permutations, random=random)
    distance, index = effect_sizes(class_counts(reference), class_counts(current))
    return Finding(
        name="predicted classes",
        subject="predictions",
        method="chi-square, permutations",
        statistic=found.statistic,
        p_value=found.p_value,
        effect=distance,
        effect_name="Jensen-Shannon distance",
        said=(
            f"The predicted classes are {distance:.3f} from those of the reference (Jensen-Shannon, 0 to 1;"
            f" PSI {index:.3f})"
        ),
    )


def class_counts(given: Present) -> NDArray[np.int64]:
    """(K + 1,): how often each class was given, and at last the images to which none was."""
    counts: NDArray[np.int64] = np.append(given.sum(axis=0), (~given.any(axis=1)).sum())
    return counts


def effect_sizes(before: NDArray[np.int64], now: NDArray[np.int64]) -> tuple[float, float]:
    """Of counts (C,): the Jensen-Shannon distance and the population stability index (PSI).

    The distance (Endres and Schindelin 2003), in bits, is 0 of equal shares and 1 of those that exclude each
    other. PSI is the sum of (now - before) ln(now / before), where each class has half an image more: none is
    impossible. By custom below 0.1 is little, above 0.25 much.
    """
    from scipy.spatial.distance import jensenshannon

    occurs = before + now > 0
    first, second = before[occurs] + 0.5, now[occurs] + 0.5
    first, second = first / first.sum(), second / second.sum()
    index = ((second - first) * np.log(second / first)).sum()
    return float(jensenshannon(before, now, base=2)), float(index)
