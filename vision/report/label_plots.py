"""What was answered to each label of a multi-label set: the counts of its confusion matrix as one bar."""

from __future__ import annotations

import numpy as np

from vision.class_scores import LabelCounts
from vision.evaluation import Evaluation
from vision.report.confusion import MAX_NAMED_CLASSES
from vision.report.images import Picture, plot
from vision.report.plots import COLOURS, describe, drawable_names, legend_below, new_figure, plain_axes


def most_mistaken(evaluation: Evaluation, limit: int) -> tuple[LabelCounts, ...]:
    """The labels with the most mistakes first; without those that have none."""
    mistaken = [label for label in evaluation.label_counts if _mistakes(label)]
    return tuple(sorted(mistaken, key=_mistakes, reverse=True)[:limit])


def plot_label_counts(evaluation: Evaluation) -> Picture:
    """A bar of all images for each label; above 30 labels for those with the most mistakes."""
    labels = evaluation.label_counts
    is_cut = len(labels) > MAX_NAMED_CLASSES
    if is_cut:
        labels = tuple(sorted(labels, key=_mistakes, reverse=True)[:MAX_NAMED_CLASSES])
    figure = new_figure(10.6, 1.9 + 0.34 * len(labels))
    axes = plain_axes(figure)
    places, start = range(len(labels)), np.zeros(len(labels))
    for name, field, colour in (
        ("found", "true_positives", COLOURS[0]),
        ("missed", "false_negatives", COLOURS[1]),
        ("given where it is not", "false_positives", COLOURS[4]),
        ("rightly not given", "true_negatives", "#d5d8dc"),
    ):
        counts = np.array([getattr(label, field) for label in labels])
        axes.barh(places, counts, 0.72, left=start, color=colour, label=name)
        start = start + counts
    axes.set_yticks(places, _names(evaluation, labels))
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.set_xlim(0, evaluation.images)
    axes.margins(y=0.01)
    title = f"The {len(labels)} labels with the most mistakes" if is_cut else "Answers to each label"
    describe(axes, title=title, x="test images")
    legend_below(axes, columns=4)
    mistakes = sum(map(_mistakes, evaluation.label_counts))
    answers = evaluation.images * len(evaluation.label_counts)
    return plot(figure, f"Answers to each label: {mistakes} of {answers} are wrong")


def _mistakes(label: LabelCounts) -> int:
    return label.false_positives + label.false_negatives


def _names(evaluation: Evaluation, labels: tuple[LabelCounts, ...]) -> list[str]:
    drawn = dict(zip(evaluation.class_names, drawable_names(evaluation.class_names), strict=True))
    return [drawn[label.name] for label in labels]
