"""ROC curves, reliability diagram and training curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vision.evaluation import Evaluation
from vision.report.images import Picture, plot
from vision.report.plots import (
    COLOURS,
    FAINT,
    FONT_SIZE,
    INK,
    describe,
    drawable_names,
    legend_above,
    legend_below,
    new_figure,
    plain_axes,
)
from vision.report.wording import number

# More lines than these cannot be told apart.
MAX_ROC_LEGEND = 6
CORNER = 0.2


def plot_roc(evaluation: Evaluation) -> Picture | None:
    """One curve a class, the six hardest named; None where no class has a curve."""
    curves = sorted(evaluation.roc, key=lambda curve: curve.auc)
    if not curves:
        return None
    names = dict(zip(evaluation.class_names, drawable_names(evaluation.class_names), strict=True))
    figure = new_figure(5.2, 5.2)
    axes = plain_axes(figure)
    corner = _corner(axes)
    axes.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=":")
    for area in (axes, corner):
        for curve in curves[MAX_ROC_LEGEND:]:
            area.plot(curve.false_positive_rate, curve.true_positive_rate, color="#b4bac2", linewidth=0.8)
        for curve, colour in zip(curves[:MAX_ROC_LEGEND], COLOURS, strict=False):
            label = f"{names[curve.class_name]}  {number(curve.auc)}"
            area.plot(
                curve.false_positive_rate, curve.true_positive_rate, color=colour, linewidth=1.6, label=label
            )
    mean = float(np.mean([curve.auc for curve in curves]))
    describe(
        axes,
        title=f"ROC, each class against the rest: mean AUC {number(mean)}",
        x="false positives, share of the rest",
        y="true positives, share of the class",
    )
    legend_below(
        axes, title=f"lowest AUC of {len(curves)} classes" if len(curves) > MAX_ROC_LEGEND else "AUC"
    )
    hardest = ", ".join(f"{curve.class_name} {number(curve.auc)}" for curve in curves[:MAX_ROC_LEGEND])
    return plot(figure, f"ROC curves of {len(curves)} classes, mean AUC {number(mean)}; lowest: {hardest}")


def _corner(axes: Any) -> Any:
    """The upper left corner enlarged: there all curves of a good classifier lie."""
    from matplotlib.patches import Rectangle

    # Hides grid and diagonal behind the small axes and their labels.
    ground = Rectangle((0.29, 0.02), 0.7, 0.73, transform=axes.transAxes, facecolor="white", zorder=2.5)
    axes.add_patch(ground)
    corner = axes.inset_axes((0.42, 0.11, 0.54, 0.54))
    corner.set_xlim(-0.004, CORNER)
    corner.set_ylim(1 - CORNER, 1.004)
    corner.set_facecolor("none")
    corner.spines[:].set_color(FAINT)
    corner.grid(color=FAINT, linewidth=0.5)
    corner.tick_params(labelsize=FONT_SIZE - 2, colors=INK, length=0)
    corner.set_title("upper left corner, enlarged", fontsize=FONT_SIZE - 1.5, color=INK)
    return corner


def plot_reliability(evaluation: Evaluation) -> Picture:
    """Accuracy against stated confidence, with the number of images at each confidence below."""
    figure = new_figure(5.2, 5.2)
    axes, images = (plain_axes(figure, cell) for cell in figure.add_gridspec(2, 1, height_ratios=(4, 1)))
    bins = [bin for bin in evaluation.reliability if bin.images]
    centres, width = [(bin.low + bin.high) / 2 for bin in bins], 0.055
    axes.bar(centres, [bin.accuracy for bin in bins], width, color=COLOURS[0], alpha=0.85, label="accuracy")
    axes.plot([0, 1], [0, 1], color=INK, linewidth=0.9, linestyle=":", label="perfectly calibrated")
    confidences = [bin.confidence for bin in bins]
    axes.plot(confidences, confidences, "D", color=COLOURS[1], markersize=4, label="stated confidence")
    ece = evaluation.metrics["ece"].value
    describe(axes, title=f"Reliability: calibration error {100 * ece:.1f} points\n", y="share right")
    legend_above(axes)
    images.bar(centres, [bin.images for bin in bins], width, color="#8b95a1")
    images.set_yscale("log")
    describe(images, x="confidence of the answer", y="images")
    for area in (axes, images):
        area.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    return plot(
        figure, f"Reliability diagram: confidence and accuracy differ by {100 * ece:.1f} points on average"
    )


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
        axes.set_yscale("log")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    describe(axes, title=quantity.replace("_", " "), x="epoch")
