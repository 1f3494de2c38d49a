"""Training curves, and what a search for hyper-parameters tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vision.report.images import Picture, plot
from vision.report.plots import COLOURS, FONT_SIZE, INK, describe, legend_below, new_figure, plain_axes
from vision.report.wording import number, percent
from vision.tuning_parameters import SearchRecord

# A schedule may end at 0, which has no place on a logarithmic axis.
LOWEST_RATE = 1e-3  # of the highest
MAX_PARAMETERS = 12


def plot_history(history: Mapping[str, Sequence[float]]) -> Picture | None:
    """Each quantity by epoch, training beside validation ("val_..."); None without any."""
    quantities = list(dict.fromkeys(name.removeprefix("val_") for name in history if len(history[name])))
    if not quantities:
        return None
    columns = min(3, len(quantities))
    rows = -(-len(quantities) // columns)
    figure = new_figure(3.5 * columns, 3.1 * rows)
    for position, quantity in enumerate(quantities, start=1):
        _plot_quantity(plain_axes(figure, rows, columns, position), quantity, history)
    epochs = max(len(values) for values in history.values())
    last = ", ".join(f"{name} {values[-1]:.4g}" for name, values in history.items() if len(values))
    return plot(figure, f"Training curves over {epochs} epochs; at the end: {last}")


def _plot_quantity(axes: Any, quantity: str, history: Mapping[str, Sequence[float]]) -> None:
    from matplotlib.ticker import MaxNLocator

    for name, label, colour in (
        (quantity, "training", COLOURS[0]),
        (f"val_{quantity}", "validation", COLOURS[1]),
    ):
        values = history.get(name, ())
        if len(values):
            marker = "o" if len(values) < 3 else ""
            epochs = range(1, len(values) + 1)
            axes.plot(epochs, values, color=colour, linewidth=1.6, label=label, marker=marker)
    if f"val_{quantity}" in history:
        axes.legend(frameon=False, fontsize=FONT_SIZE - 0.5, labelcolor=INK)
    if quantity == "learning_rate":
        rates = history[quantity]
        axes.set_yscale("log")
        axes.set_ylim(bottom=max(0.8 * min(rates), LOWEST_RATE * max(rates)))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    describe(axes, title=quantity.replace("_", " "), x="epoch")


def plot_search(search: SearchRecord) -> Picture | None:
    """The score of each trial, and the best so far; None where no trial has a score."""
    from matplotlib.ticker import MaxNLocator

    completed, pruned = _points(search, "COMPLETE"), _points(search, "PRUNED")
    if not completed and not pruned:
        return None
    score = search.score.replace("_", " ")
    figure = new_figure(5.2, 4.2)
    axes = plain_axes(figure)
    if pruned:
        axes.plot(*zip(*pruned, strict=True), "x", color="#8b95a1", markersize=5, label="pruned")
    told = f"Validation {score} of {len(completed)} completed and {len(pruned)} pruned trials"
    if completed:
        numbers, scores = zip(*completed, strict=True)
        best = np.maximum.accumulate(scores)
        axes.plot(numbers, scores, "o", color=COLOURS[0], markersize=5, label="completed")
        axes.plot(numbers, best, color=COLOURS[1], linewidth=1.6, drawstyle="steps-post", label="best so far")
        told += f"; the best reached {number(best[-1])}"
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    describe(axes, title="Search: every trial", x="trial", y=f"validation {score}")
    legend_below(axes, columns=3)
    return plot(figure, told)


def _points(search: SearchRecord, state: str) -> list[tuple[int, float]]:
    """Number and score of the trials that ended so, in order."""
    ended = [trial for trial in search.trials if trial.state == state]
    return sorted((trial.number, trial.value) for trial in ended if trial.value is not None)


def plot_importances(search: SearchRecord) -> Picture | None:
    """How much of the scores' variation each parameter explains, the most important first; None without."""
    ranked = sorted(search.importances.items(), key=lambda item: -item[1])[:MAX_PARAMETERS]
    if not ranked:
        return None
    names = [name.replace("_", " ") for name, _ in ranked]
    shares = [share for _, share in ranked]
    figure = new_figure(5.2, 1.4 + 0.34 * len(ranked))
    axes = plain_axes(figure)
    bars = axes.barh(range(len(ranked)), [100 * share for share in shares], 0.65, color=COLOURS[0])
    axes.bar_label(
        bars, [percent(share, 0) for share in shares], padding=4, fontsize=FONT_SIZE - 1, color=INK
    )
    axes.set_yticks(range(len(ranked)), names)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.margins(x=0.14)
    describe(axes, title="What mattered", x="share of the variation between trials, %")
    told = ", ".join(f"{name} {percent(share, 0)}" for name, share in zip(names, shares, strict=True))
    return plot(figure, f"Importance of the parameters: {told}")
