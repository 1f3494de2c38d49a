"""The confusion matrix, as counts and as shares of each true class, from 2 to some 100 classes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vision.evaluation import Evaluation
from vision.report.images import Picture, plot
from vision.report.plots import FONT_SIZE, INK, describe, drawable_names, new_figure, style_text

# Above this, numbers in cells and a name on each row can no longer be read.
MAX_NAMED_CLASSES = 30
# Above this, a matrix takes the full width of the page.
MAX_HALF_WIDTH_CLASSES = 12


class ConfusionPlots(NamedTuple):
    """The same matrix twice."""

    counts: Picture
    shares: Picture


def plot_confusion(evaluation: Evaluation) -> ConfusionPlots:
    """Both matrices; cells carry numbers and names up to 30 classes."""
    counts = np.array(evaluation.confusion)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    names = drawable_names(evaluation.class_names)
    right = f"{np.trace(counts)} of {counts.sum()} images lie on the diagonal"
    return ConfusionPlots(
        plot(
            _matrix(counts, names, "Images", [[str(count) for count in row] for row in counts]),
            f"Confusion matrix in images, true classes down, answers across: {right}",
        ),
        plot(
            _matrix(
                shares, names, "Share of each true class", [[_percent(s) for s in row] for row in shares]
            ),
            f"Confusion matrix in shares of each true class: {right}",
        ),
    )


def _matrix(values: NDArray[Any], names: list[str], title: str, texts: list[list[str]]) -> Any:
    classes = len(names)
    size = _inches(classes)
    figure = new_figure(size, size * 0.98)
    axes = figure.add_subplot()
    axes.imshow(_shades(values), cmap="Blues", vmin=0, vmax=1, aspect="equal", interpolation="none")
    axes.spines[:].set_visible(False)
    style_text(axes)
    describe(axes, title=title, x="answer", y="true class")
    if classes <= MAX_NAMED_CLASSES:
        _write_names(axes, names)
        _write_cells(axes, values, texts)
    return figure


def _shades(values: NDArray[Any]) -> NDArray[np.float64]:
    """0 for none, else 0.15..1 with the square root: one mistake is seen, which a linear scale would hide."""
    return np.where(values > 0, 0.15 + 0.85 * np.sqrt(values / values.max()), 0.0)


def _inches(classes: int) -> float:
    if classes <= MAX_HALF_WIDTH_CLASSES or classes > MAX_NAMED_CLASSES:
        return 5.2
    return 3.0 + 0.3 * classes


def _write_names(axes: Any, names: list[str]) -> None:
    turned = max(map(len, names)) > 3
    axes.set_xticks(range(len(names)), names, rotation=90 if turned else 0)
    axes.set_yticks(range(len(names)), names)


def _write_cells(axes: Any, values: NDArray[Any], texts: list[list[str]]) -> None:
    size = FONT_SIZE - 0.5 if len(values) <= MAX_HALF_WIDTH_CLASSES else 7.0
    for (row, column), shade in np.ndenumerate(_shades(values)):
        if shade:
            colour = "white" if shade > 0.6 else INK
            text = texts[row][column]
            axes.text(column, row, text, ha="center", va="center", fontsize=size, color=colour)


def _percent(share: float) -> str:
    """Whole per cent; a rare mistake is not rounded to nothing, nor the rest of it to all."""
    if 0 < share < 0.005:
        return "<1"
    return ">99" if 0.995 < share < 1 else f"{100 * share:.0f}"
