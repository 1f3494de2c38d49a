"""How the score moved from fold to fold of a cross-validation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from vision.cross_validation.scores import CrossValidation, FoldScores
from vision.report.images import Picture, plot
from vision.report.metric_words import MetricWords, describe_metric
from vision.report.plots import COLOURS, INK, describe, new_figure, plain_axes
from vision.task import Task


def plot_folds(validation: CrossValidation, metrics: Sequence[str], task: Task) -> Picture | None:
    """A panel for each of those metrics that was measured: a dot a fold, the mean and one spread about it."""
    shown = [name for name in metrics if name in validation.scores]
    if not shown:
        return None
    figure = new_figure(10.6, 3.0)
    for place, name in enumerate(shown, start=1):
        axes = plain_axes(figure, 1, len(shown), place)
        _draw_folds(axes, validation.scores[name], describe_metric(task, name))
    told = ", ".join(
        f"{describe_metric(task, name).name} {validation.scores[name].mean:.4f}" for name in shown
    )
    return plot(figure, f"Scores of each of {validation.folds} folds; means: {told}")


def _draw_folds(axes: Any, scores: FoldScores, words: MetricWords) -> None:
    from matplotlib.ticker import MaxNLocator

    factor = 100 if words.is_share else 1
    mean, spread = factor * scores.mean, factor * scores.spread
    folds = np.arange(1, len(scores.values) + 1)
    axes.axhspan(mean - spread, mean + spread, color=COLOURS[5], alpha=0.25, linewidth=0)
    axes.axhline(mean, color=INK, linewidth=0.9, linestyle=":")
    axes.plot(folds, factor * np.array(scores.values), "o", color=COLOURS[0], markersize=6)
    axes.set_xlim(0.5, len(folds) + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    axes.margins(y=0.25)
    describe(axes, title=f"{words.name}, %" if words.is_share else words.name, x="fold")
