"""How often the gate errs: 1,000 simulated pairs each of models that are equal, better and worse.

The candidate and the champion have 5 % of the images right alone, as two trainings of one network may: what
both have right or wrong says nothing of their difference. Ten classes, and twelve slices (quarters of three
properties), by chance; the rules are the defaults, with a margin of one point.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.record import table, write_section
from vision.intervals import wilson_interval
from vision.promotion.decision import PromotionRules, decide
from vision.promotion.figures import Comparison, Figures, PairedCounts

PAIRS = 1_000
SIZES = (1_000, 10_000)
POINTS = (0.5, 0.0, -0.5, -1.0, -2.0)
ACCURACY, CHANGED = 0.93, 0.05
CLASSES, QUARTERS = 10, 4
RULES = PromotionRules()
ACTIONS = ("promote", "reject", "not_enough_data")

Rows = NDArray[np.intp]


def main() -> None:
    random = np.random.default_rng(1)
    rows = [_row(images, points, random) for images in SIZES for points in POINTS]
    head = (
        "test images",
        "candidate, points",
        "promote, %",
        "reject, %",
        "not enough data, %",
        "an error is",
    )
    write_section("gate", table(head, rows))


def _row(images: int, points: float, random: np.random.Generator) -> tuple[object, ...]:
    taken = Counter(_decide(images, points / 100, random) for _ in range(PAIRS))
    shares = [_share(taken[action]) for action in ACTIONS]
    # At the margin itself either is one: within it, and not shown to be.
    error = "to promote" if points <= -RULES.max_accuracy_drop else "to reject"
    return (f"{images:,}", f"{points:+.1f}", *shares, error)


def _share(count: int) -> str:
    share = wilson_interval(count, PAIRS)
    return f"**{100 * share.value:.1f}** ({100 * share.low:.1f} to {100 * share.high:.1f})"


def _decide(images: int, change: float, random: np.random.Generator) -> str:
    """The gate on one pair that truly differs by `change` (-1..1)."""
    lost, gained = (CHANGED - change) / 2, (CHANGED + change) / 2
    both = ACCURACY - lost
    # 0: both wrong, 1: both right, 2: lost, 3: gained.
    outcome = random.choice(4, images, p=(1 - both - lost - gained, both, lost, gained))
    labels = random.integers(0, CLASSES, images)
    slices = [
        part
        for number in range(3)
        for part in _counted(f"property {number}", outcome, random.integers(0, QUARTERS, images), QUARTERS)
    ]
    accuracy = float(np.isin(outcome, (1, 3)).mean())
    (all_images,) = _counted("all images", outcome, np.zeros(images, np.intp), 1)
    found = Comparison(
        version=1, all_images=all_images, classes=_counted("class", outcome, labels, CLASSES), slices=slices
    )
    return decide(Figures(images=images, metrics={"accuracy": accuracy, "ece": 0.02}), found, RULES).action


def _counted(name: str, outcome: Rows, part: Rows, parts: int) -> Sequence[PairedCounts]:
    counts = np.bincount(4 * part + outcome, minlength=4 * parts).reshape(parts, 4)
    return tuple(
        PairedCounts(name=f"{name} {row}", images=int(of.sum()), lost=int(of[2]), gained=int(of[3]))
        for row, of in enumerate(counts)
    )


if __name__ == "__main__":
    main()
