"""The summary of a batch as one HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vision.batch.output import OWN
from vision.batch.summary import BINS, BatchSummary
from vision.report.images import Picture, plot
from vision.report.plots import COLOURS, describe, drawable_names, new_figure, plain_axes

PAGE = f"{OWN}/summary.html"
TEMPLATE = "batch.html.j2"
# Of the look and the macros of the evaluation's report, which this page shares.
REPORT = Path(__file__).parents[1] / "report"
NAMED_CLASSES = 30


def batch_page(summary: BatchSummary) -> str:
    """The whole page, one file without outside parts."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader([Path(__file__).parent, REPORT]),
        autoescape=True,  # class names, paths and reasons are other people's text
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(TEMPLATE).render(**_variables(summary))


def _variables(summary: BatchSummary) -> dict[str, Any]:
    from vision.report import wording

    plots = [_plot_classes(summary), _plot_confidence(summary)] if summary.answered else []
    return {"summary": summary, "plots": plots, "share": wording.percent}


def _plot_classes(summary: BatchSummary) -> Picture:
    shown = list(summary.classes.items())[:NAMED_CLASSES]
    axes = plain_axes(figure := new_figure(5.2, 1.4 + 0.25 * len(shown)))
    places = range(len(shown))
    axes.barh(places, [count for _, count in shown], color=COLOURS[0])
    axes.set_yticks(places, drawable_names([name for name, _ in shown]))
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    describe(axes, title=_title(summary.classes), x="answers")
    most = f"{shown[0][0]} most, {shown[0][1]:,} times" if shown else "none"
    return plot(figure, f"Answers that name each class: {most}")


def _title(classes: dict[str, int]) -> str:
    return (
        "Classes"
        if len(classes) <= NAMED_CLASSES
        else f"The {NAMED_CLASSES} of {len(classes)} classes named most"
    )


def _plot_confidence(summary: BatchSummary) -> Picture:
    axes = plain_axes(figure := new_figure(5.2, 3.6))
    axes.bar(_middles(), summary.confidence, width=0.9 / BINS, color=COLOURS[0])
    axes.grid(visible=False, axis="x")
    describe(axes, title="Confidence", x="greatest probability", y="answers")
    return plot(figure, f"Confidence of {summary.answered:,} answers in {BINS} bins from 0 to 1")


def _middles() -> Sequence[float]:
    return [(place + 0.5) / BINS for place in range(BINS)]
