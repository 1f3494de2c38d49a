"""Pictures of what has changed: the reference in the first colour, what was served in the second."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vision.drift.contents import PredictedClass
from vision.drift.finding import in_words
from vision.report.images import Picture, plot
from vision.report.plots import COLOURS, describe, drawable_names, legend_below, new_figure, plain_axes

BINS = 40
# Beyond these percentiles values are counted in the outermost bins: one odd file would squeeze all others.
ENDS = (0.5, 99.5)
LOG_ABOVE = 50  # times the smallest end
NAMED_CLASSES = 30


def plot_numbers(name: str, before: NDArray[np.float64], now: NDArray[np.float64]) -> Picture:
    """Two histograms, each of shares of its side."""
    edges = _edges(np.concatenate([before, now]))
    axes = plain_axes(figure := new_figure(5.2, 3.6))
    for values, colour, label in ((before, COLOURS[0], "reference"), (now, COLOURS[1], "served")):
        counts, _ = np.histogram(values.clip(edges[0], edges[-1]), edges)
        shares = 100 * counts / len(values)
        axes.stairs(shares, edges, color=colour, fill=True, alpha=0.25)
        axes.stairs(shares, edges, color=colour, linewidth=1.4, label=label)
    if edges[-1] - edges[-2] > 1.01 * (edges[1] - edges[0]):
        axes.set_xscale("log")
    axes.grid(visible=False, axis="x")
    words = in_words(name)
    describe(axes, title=words.capitalize(), y="% of each")
    legend_below(axes)
    return plot(figure, f"{words}: median {np.median(now):.4g}, of the reference {np.median(before):.4g}")


def _edges(values: NDArray[np.float64]) -> NDArray[np.float64]:
    low, high = np.percentile(values, ENDS)
    if low == high:
        low, high = values.min(), values.max()
    if low > 0 and high > LOG_ABOVE * low:
        return np.geomspace(low, high, BINS + 1)
    return np.linspace(low, high if high > low else low + 1, BINS + 1)


def plot_predicted(predicted: Sequence[PredictedClass]) -> Picture:
    """Shares of the answers that name each class; of many, those that have changed most."""
    moved = sorted(predicted, key=lambda each: -abs(each.now - each.before))
    shown = [each for each in predicted if each in moved[:NAMED_CLASSES]]
    figure = new_figure(5.2, 1.6 + 0.3 * len(shown))
    axes = plain_axes(figure)
    places = np.arange(len(shown))
    for offset, side, colour, label in (
        (-0.2, "before", COLOURS[0], "reference"),
        (0.2, "now", COLOURS[1], "served"),
    ):
        axes.barh(
            places + offset, [100 * getattr(each, side) for each in shown], 0.38, color=colour, label=label
        )
    axes.set_yticks(places, drawable_names([each.name for each in shown]))
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    describe(axes, title="Predicted classes", x="% of the answers")
    legend_below(axes)
    most = moved[0]
    return plot(
        figure,
        f"Predictions: {most.name} changed most, from {100 * most.before:.1f} to {100 * most.now:.1f} %",
    )
