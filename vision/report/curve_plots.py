"""ROC curves, precision-recall curves and the reliability diagram."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

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
MAX_NAMED_CURVES = 6
# Of a thousand gray lines as many are drawn as fill the same ground.
MAX_GRAY_CURVES = 100
CORNER = 0.2


def plot_roc(evaluation: Evaluation) -> Picture | None:
    """One curve a class, the six hardest named; None where no class has a curve."""
    if not evaluation.roc:
        return None
    figure = new_figure(5.2, 5.2)
    axes = plain_axes(figure)
    axes.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=":")
    lines = [
        Line(curve.class_name, curve.auc, curve.false_positive_rate, curve.true_positive_rate)
        for curve in evaluation.roc
    ]
    _draw_lines((axes, _corner(axes)), lines, evaluation)
    mean = number(float(np.mean([line.area for line in lines])))
    noun = _noun(evaluation)
    describe(
        axes,
        title=f"ROC, each {noun} against the rest: mean AUC {mean}",
        x="false positives, share of the rest",
        y=f"true positives, share of the {noun}",
    )
    legend_below(axes, title=_legend_title("AUC", lines))
    return plot(figure, f"ROC curves, mean AUC {mean}; {_in_words(lines)}")


def plot_precision_recall(evaluation: Evaluation) -> Picture | None:
    """One curve a class, the six hardest named; None where no class has a curve."""
    if not evaluation.precision_recall:
        return None
    figure = new_figure(5.2, 5.2)
    axes = plain_axes(figure)
    lines = [
        Line(curve.name, curve.average_precision, curve.recall, curve.precision)
        for curve in evaluation.precision_recall
    ]
    # Straight lines between the points would promise more: Davis and Goadrich 2006, section 4.
    _draw_lines((axes,), lines, evaluation, drawstyle="steps-pre")
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    mean = number(float(np.mean([line.area for line in lines])))
    noun = _noun(evaluation)
    describe(
        axes,
        title=f"Precision and recall of each {noun}: mean AP {mean}",
        x=f"recall: found, share of the {noun}",
        y="precision: right, share of the answers",
    )
    legend_below(axes, title=_legend_title("average precision (AP)", lines))
    return plot(figure, f"Precision-recall curves, mean average precision {mean}; {_in_words(lines)}")


class Line(NamedTuple):
    """One class's curve and the area below it."""

    name: str
    area: float
    x: tuple[float, ...]
    y: tuple[float, ...]


def _draw_lines(
    areas: Sequence[Any], lines: Sequence[Line], evaluation: Evaluation, drawstyle: str = "default"
) -> None:
    """The hardest in colours and with names, the others in gray."""
    names = dict(zip(evaluation.class_names, drawable_names(evaluation.class_names), strict=True))
    ranked = _hardest_first(lines)
    for axes in areas:
        others = ranked[MAX_NAMED_CURVES:]
        for line in others[:: max(1, -(-len(others) // MAX_GRAY_CURVES))]:
            axes.plot(line.x, line.y, color="#b4bac2", linewidth=0.8, drawstyle=drawstyle)
        for line, colour in zip(ranked[:MAX_NAMED_CURVES], COLOURS, strict=False):
            label = f"{names[line.name]}  {number(line.area)}"
            axes.plot(line.x, line.y, color=colour, linewidth=1.6, drawstyle=drawstyle, label=label)


def _hardest_first(lines: Sequence[Line]) -> list[Line]:
    return sorted(lines, key=lambda line: line.area)


def _legend_title(area: str, lines: Sequence[Line]) -> str:
    return f"lowest {area} of {len(lines)}" if len(lines) > MAX_NAMED_CURVES else area


def _in_words(lines: Sequence[Line]) -> str:
    named = _hardest_first(lines)[:MAX_NAMED_CURVES]
    return f"lowest of {len(lines)}: " + ", ".join(f"{line.name} {number(line.area)}" for line in named)


def _noun(evaluation: Evaluation) -> str:
    return "label" if evaluation.task == "multi_label" else "class"


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
    """Accuracy against stated confidence, with the number of answers at each confidence below."""
    figure = new_figure(5.2, 5.2)
    axes, answers = (plain_axes(figure, cell) for cell in figure.add_gridspec(2, 1, height_ratios=(4, 1)))
    bins = [bin for bin in evaluation.reliability if bin.images]
    centres, width = [(bin.low + bin.high) / 2 for bin in bins], 0.055
    axes.bar(centres, [bin.accuracy for bin in bins], width, color=COLOURS[0], alpha=0.85, label="accuracy")
    axes.plot([0, 1], [0, 1], color=INK, linewidth=0.9, linestyle=":", label="perfectly calibrated")
    confidences = [bin.confidence for bin in bins]
    axes.plot(confidences, confidences, "D", color=COLOURS[1], markersize=4, label="stated confidence")
    ece = evaluation.metrics["ece"].value
    describe(axes, title=f"Reliability: calibration error {100 * ece:.1f} points\n", y="share right")
    legend_above(axes)
    axes.tick_params(labelbottom=False)
    answers.bar(centres, [bin.images for bin in bins], width, color="#8b95a1")
    answers.set_yscale("log")
    counted = "answers" if evaluation.task == "multi_label" else "images"
    describe(answers, x="confidence of the answer", y=counted)
    for area in (axes, answers):
        area.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    return plot(
        figure, f"Reliability diagram: confidence and accuracy differ by {100 * ece:.1f} points on average"
    )
