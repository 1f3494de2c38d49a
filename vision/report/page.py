"""From a report to its HTML: what the template needs beside the report itself."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from vision.report.contents import Report

TEMPLATE = "report.html.j2"
# Rows of the class table that stand open where there are more classes than fit a screen.
OPEN_ROWS = 30
WEAKEST_ROWS = 15
# All classes of ImageNet and no more; a row takes about 900 bytes.
MAX_ROWS = 1000
CONFUSION_ROWS = 12
BEST_TRIALS = 5
UNCOVERED_CLASSES = 5
# Cards of a gallery that stand open, one or two lines of them.
OPEN_CARDS = 6


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
    from vision.report import evidence_findings, findings, wording
    from vision.report.images import large_picture, thumbnail
    from vision.report.label_plots import most_mistaken
    from vision.report.metric_words import TILES, describe_metric
    from vision.report.summary import summarise

    evaluation = report.evaluation
    is_multi_label = evaluation.task == "multi_label"
    best_trials = report.search.best(BEST_TRIALS) if report.search else ()
    plots = _plots(report)
    return {
        "report": report,
        "evaluation": evaluation,
        "evidence": report.evidence,
        "is_multi_label": is_multi_label,
        "noun": "label" if is_multi_label else "class",
        "nouns": "labels" if is_multi_label else "classes",
        "summary": summarise(report),
        "served": findings.served(evaluation),
        "sections": _sections(report, plots),
        "tiles": TILES[evaluation.task],
        "describe_metric": partial(describe_metric, evaluation.task),
        "columns": report.comparison or {"this model": evaluation},
        "confusions": evaluation.top_confusions(CONFUSION_ROWS),
        "mistaken_labels": most_mistaken(evaluation, CONFUSION_ROWS),
        "best_trials": best_trials,
        "tried_parameters": list(dict.fromkeys(name for trial in best_trials for name in trial.parameters)),
        "open_cards": OPEN_CARDS,
        "plots": plots,
        "thumbnail": thumbnail,
        "large_picture": large_picture,
        "words": wording,
        "say": evidence_findings,
        **_class_tables(report),
        **_evidence_variables(report),
    }


def _class_tables(report: Report) -> dict[str, Any]:
    classes = report.evaluation.per_class
    ranked = sorted(classes, key=lambda scores: (scores.support == 0, scores.recall.value))
    is_long = len(ranked) > OPEN_ROWS
    return {
        "open_classes": ranked[:WEAKEST_ROWS] if is_long else classes,
        "hidden_classes": classes[:MAX_ROWS] if is_long else (),
        "further_classes": max(0, len(classes) - MAX_ROWS),
    }


def _evidence_variables(report: Report) -> dict[str, Any]:
    from vision.paired import in_words
    from vision.report.evidence_findings import least_covered
    from vision.report.flips import choose_flips
    from vision.report.robustness_plots import heat_tables
    from vision.report.slice_rows import OPEN_PROPERTIES, properties
    from vision.report.uncertainty_plots import rule

    evidence = report.evidence
    sets = evidence.uncertainty.sets if evidence.uncertainty else ()
    parts = properties(evidence.slices.slices) if evidence.slices else ()
    return {
        "open_properties": parts[:OPEN_PROPERTIES],
        "hidden_properties": parts[OPEN_PROPERTIES:],
        "heat_tables": heat_tables(evidence.robustness) if evidence.robustness else (),
        "set_rule": rule,
        "least_covered": least_covered(sets[0], UNCOVERED_CLASSES) if sets else (),
        "compare_in_words": in_words,
        "choose_flips": choose_flips,
    }


def _sections(report: Report, plots: dict[str, Any]) -> dict[str, str]:
    """Section of the page -> its name among the links at the head; those that have something to show."""
    evidence, is_multi_label = report.evidence, report.evaluation.task == "multi_label"
    candidates = (
        ("metrics", "Metrics", True),
        ("champion", "Champion", evidence.champion),
        ("confusion", "Right and wrong" if is_multi_label else "Confusion", True),
        ("classes", "Labels" if is_multi_label else "Classes", True),
        ("slices", "Kinds of images", evidence.slices),
        ("curves", "Curves", True),
        ("uncertainty", "Doubt", evidence.uncertainty),
        ("robustness", "Worse images", evidence.robustness),
        ("folds", "Cross-validation", evidence.cross_validation),
        ("mistakes", "Mistakes", report.mistakes),
        ("activations", "What it looks at", report.activations),
        ("compression", "Compression", report.compression or evidence.compression),
        ("training", "Training", plots["history"]),
        ("search", "Search", plots["search"]),
        ("data", "Data", True),
        ("run", "Run", report.facts),
    )
    return {section: name for section, name, is_shown in candidates if is_shown}


def _plots(report: Report) -> dict[str, Any]:
    from vision.report.class_plots import plot_class_balance
    from vision.report.compression_plots import plot_front
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
        "front": plot_front(report.compression) if report.compression else None,
        **_evidence_plots(report),
    }


def _evidence_plots(report: Report) -> dict[str, Any]:
    from vision.report.fold_plots import plot_folds
    from vision.report.metric_words import TILES
    from vision.report.robustness_plots import heat_tables, plot_robustness
    from vision.report.uncertainty_plots import plot_selective, plot_set_sizes

    evidence, task = report.evidence, report.evaluation.task
    doubt, worse, folds = evidence.uncertainty, evidence.robustness, evidence.cross_validation
    return {
        "selective": plot_selective(doubt) if doubt else None,
        "set_sizes": plot_set_sizes(doubt.sets) if doubt else None,
        "robustness": plot_robustness(heat_tables(worse), worse.clean.value) if worse else None,
        "folds": plot_folds(folds, TILES[task], task) if folds else None,
    }
