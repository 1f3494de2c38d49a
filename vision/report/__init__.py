"""The evaluation report: one HTML page that needs nothing but itself, and says first what matters.

contents.py what is shown, predictions.py which images, wording.py and metric_words.py numbers in words,
findings.py in sentences, images.py pixels as data URIs, plots.py and the *_plots.py beside it the pictures,
report.html.j2 the page with labels.html.j2 and search.html.j2 in it.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from vision.report.contents import (
    AugmentationExample,
    CompressionRow,
    Prediction,
    Report,
)

__all__ = [
    "AugmentationExample",
    "CompressionRow",
    "Prediction",
    "Report",
    "render_report",
]

TEMPLATE = "report.html.j2"
# Rows of the class table that stand open where there are more classes than fit a screen.
OPEN_ROWS = 30
WEAKEST_ROWS = 15
CONFUSION_ROWS = 12
BEST_TRIALS = 5


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
    from vision.report import findings, wording
    from vision.report.images import thumbnail
    from vision.report.label_plots import most_mistaken
    from vision.report.metric_words import TILES, describe_metric

    evaluation = report.evaluation
    is_multi_label = evaluation.task == "multi_label"
    ranked = sorted(evaluation.per_class, key=lambda scores: (scores.support == 0, scores.recall.value))
    is_long = len(ranked) > OPEN_ROWS
    best_trials = report.search.best(BEST_TRIALS) if report.search else ()
    return {
        "report": report,
        "evaluation": evaluation,
        "is_multi_label": is_multi_label,
        "noun": "label" if is_multi_label else "class",
        "nouns": "labels" if is_multi_label else "classes",
        "headline": findings.headline(evaluation),
        "findings": findings.findings(evaluation),
        "served": findings.served(evaluation),
        "tiles": TILES[evaluation.task],
        "describe_metric": partial(describe_metric, evaluation.task),
        "columns": report.comparison or {"this model": evaluation},
        "open_classes": ranked[:WEAKEST_ROWS] if is_long else evaluation.per_class,
        "hidden_classes": evaluation.per_class if is_long else (),
        "confusions": evaluation.top_confusions(CONFUSION_ROWS),
        "mistaken_labels": most_mistaken(evaluation, CONFUSION_ROWS),
        "best_trials": best_trials,
        "tried_parameters": list(dict.fromkeys(name for trial in best_trials for name in trial.parameters)),
        "plots": _plots(report),
        "thumbnail": thumbnail,
        "words": wording,
    }


def _plots(report: Report) -> dict[str, Any]:
    from vision.report.class_plots import plot_class_balance
    from vision.report.confusion import plot_confusion
    from vision.report.curve_plots import plot_precision_recall, plot_reliability, plot_roc
    from vision.report.label_plots import plot_label_counts
    from vision.report.training_plots import plot_history, plot_importances, plot_search

    evaluation = report.evaluation
    counts = report.class_counts or {"test": [scores.support for scores in evaluation.per_class]}
    is_multi_label = evaluation.task == "multi_label"
    return {
        "confusion": None if is_multi_label else plot_confusion(evaluation),
        "labels": plot_label_counts(evaluation) if is_multi_label else None,
        "roc": plot_roc(evaluation),
        "precision_recall": plot_precision_recall(evaluation),
        "reliability": plot_reliability(evaluation),
        "history": plot_history(report.history),
        "search": plot_search(report.search) if report.search else None,
        "importances": plot_importances(report.search) if report.search else None,
        "balance": plot_class_balance(counts, evaluation.class_names),
    }
