"""The evaluation report: one HTML page that needs nothing but itself, and says first what matters.

contents.py what is shown, wording.py numbers in words, images.py pixels as data URIs, plots.py and the
*_plots.py beside it the pictures, report.html.j2 the page.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vision.report.contents import AugmentationExample, CompressionRow, Prediction, Report

__all__ = ["AugmentationExample", "CompressionRow", "Prediction", "Report", "render_report"]

TEMPLATE = "report.html.j2"
# Rows of the class table that stand open where there are more classes than fit a screen.
OPEN_ROWS = 30
WEAKEST_ROWS = 15
CONFUSION_ROWS = 12


def render_report(report: Report) -> str:
    """The whole page as HTML. Draws its plots, so it takes a few seconds; safe in several threads."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,  # class names and paths are other people's text
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(TEMPLATE).render(**_variables(report))


def _variables(report: Report) -> dict[str, Any]:
    from vision.report import wording
    from vision.report.images import thumbnail

    evaluation = report.evaluation
    ranked = sorted(evaluation.per_class, key=lambda scores: (scores.support == 0, scores.recall.value))
    is_long = len(ranked) > OPEN_ROWS
    return {
        "report": report,
        "evaluation": evaluation,
        "columns": report.comparison or {"this model": evaluation},
        "open_classes": ranked[:WEAKEST_ROWS] if is_long else evaluation.per_class,
        "hidden_classes": evaluation.per_class if is_long else (),
        "confusions": evaluation.top_confusions(CONFUSION_ROWS),
        "plots": _plots(report),
        "thumbnail": thumbnail,
        "words": wording,
    }


def _plots(report: Report) -> dict[str, Any]:
    from vision.report.class_plots import plot_class_balance
    from vision.report.confusion import plot_confusion
    from vision.report.curve_plots import plot_history, plot_reliability, plot_roc

    evaluation = report.evaluation
    counts = report.class_counts or {"test": [scores.support for scores in evaluation.per_class]}
    return {
        "confusion": plot_confusion(evaluation),
        "roc": plot_roc(evaluation),
        "reliability": plot_reliability(evaluation),
        "history": plot_history(report.history),
        "balance": plot_class_balance(counts, evaluation.class_names),
    }
