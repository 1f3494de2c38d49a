"""How many images each class has, in each split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from vision.report.confusion import MAX_NAMED_CLASSES
from vision.report.images import Picture, plot
from vision.report.plots import COLOURS, describe, drawable_names, legend_below, new_figure, plain_axes


def plot_class_balance(class_counts: Mapping[str, Sequence[int]], class_names: Sequence[str]) -> Picture:
    """Bars of each split, stacked; above 30 classes sorted by size and without names."""
    counts = np.array([class_counts[split] for split in class_counts])
    totals = counts.sum(axis=0)
    named = len(class_names) <= MAX_NAMED_CLASSES
    order = np.arange(len(class_names)) if named else np.argsort(-totals, kind="stable")
    figure = new_figure(5.2, 2.0 + 0.22 * len(class_names)) if named else new_figure(10.6, 3.6)
    axes = plain_axes(figure)
    start = np.zeros(len(order))
    for (split, row), colour in zip(zip(class_counts, counts, strict=True), COLOURS, strict=False):
        end = start + row[order]
        if named:
            axes.barh(range(len(order)), row[order], 0.75, left=start, color=colour, label=split)
        else:
            # One step line in place of thousands of bars, which take seconds.
            axes.stairs(end, baseline=start, fill=True, color=colour, label=split)
        start = end
    if named:
        axes.set_yticks(range(len(order)), drawable_names(class_names))
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        describe(axes, title="Images of each class", x="images")
    else:
        axes.grid(visible=False, axis="x")
        describe(axes, title="Images of each class", x="classes, largest first", y="images")
    if len(class_counts) > 1:
        legend_below(axes, columns=3)
    return plot(figure, _in_words(totals, class_names))


def _in_words(totals: np.ndarray, class_names: Sequence[str]) -> str:
    least, most = int(totals.argmin()), int(totals.argmax())
    return (
        f"Images of each class: most {class_names[most]} with {totals[most]},"
        f" fewest {class_names[least]} with {totals[least]}"
    )
