"""What the doubt is worth: accuracy against the share that is answered, and how many answers a set has."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vision.report.images import Picture, plot
from vision.report.plots import COLOURS, INK, describe, legend_below, new_figure, plain_axes
from vision.report.wording import percent
from vision.uncertainty.evaluation import SetScores, UncertaintyEvaluation

# Sets of this many answers and more share a bar: of 1,000 classes most sizes never occur.
LARGEST_SIZE = 10


def plot_selective(uncertainty: UncertaintyEvaluation) -> Picture | None:
    """Accuracy of the most confident share of the images, with the target marked; None without points."""
    if not uncertainty.curve:
        return None
    figure = new_figure(5.2, 4.4)
    axes = plain_axes(figure)
    shares = [100 * point.coverage for point in uncertainty.curve]
    right = [100 * (1 - point.error) for point in uncertainty.curve]
    target, automated = 100 * (1 - uncertainty.target_error), 100 * uncertainty.automated.value
    marker = "o" if len(shares) < 3 else ""
    axes.plot(shares, right, color=COLOURS[0], linewidth=1.8, marker=marker, label="right, the surest first")
    if target:
        axes.axhline(target, color=COLOURS[1], linewidth=1.2, linestyle="--", label=f"target: {target:g} %")
    if target and automated:
        reached = 100 * (1 - uncertainty.error.value)
        axes.axvline(automated, color=INK, linewidth=0.9, linestyle=":")
        axes.plot([automated], [reached], "D", color=INK, markersize=6, label="answered by itself")
    axes.set_xlim(0, 101)
    describe(axes, title="Accuracy where the unsure go to a person", x="images answered, %", y="right, %")
    legend_below(axes, columns=2)
    told = f"Accuracy against the share of images answered: {right[-1]:.1f} % where all are"
    if target:
        told += f", {percent(uncertainty.automated.value)} answered at the target of {target:g} % right"
    return plot(figure, told)


def plot_set_sizes(sets: Sequence[SetScores]) -> Picture | None:
    """Images by the number of answers in their set, a colour a rule; None without sets."""
    if not sets:
        return None
    counts = [_capped(scores.sizes) for scores in sets]
    last = max(map(len, counts))
    figure = new_figure(5.2, 4.4)
    axes = plain_axes(figure)
    width = 0.8 / len(sets)
    for place, (scores, row, colour) in enumerate(zip(sets, counts, COLOURS, strict=False)):
        left = np.arange(len(row)) + (place - (len(sets) - 1) / 2) * width
        axes.bar(left, row, width, color=colour, label=rule(scores))
    names = [f"{size}+" if size == LARGEST_SIZE else str(size) for size in range(last)]
    axes.set_xticks(range(last), names)
    axes.grid(visible=False, axis="x")
    describe(axes, title="Answers in a set", x="classes in the set", y="images")
    legend_below(axes, columns=2)
    told = ", ".join(f"{rule(scores)} {scores.mean_size:.2f}" for scores in sets)
    return plot(figure, f"Images by the number of classes in their prediction set; mean size: {told}")


def rule(scores: SetScores) -> str:
    """ "LAC at 90 %": which rule, and what it promises."""
    return f"{scores.method.upper()} at {percent(scores.promised, 0)}"


def _capped(sizes: Sequence[int]) -> list[int]:
    capped = [*sizes[:LARGEST_SIZE], *([sum(sizes[LARGEST_SIZE:])] if len(sizes) > LARGEST_SIZE else [])]
    # Without the empty tail: sizes go up to the number of classes.
    return capped[: max((size + 1 for size, images in enumerate(capped) if images), default=1)]
