"""What each metric is called and means, for either task: a report shows no bare key."""

from __future__ import annotations

from typing import NamedTuple

from vision.task import Task


class MetricWords(NamedTuple):
    """Its name, whether it is a share, and what it means."""

    name: str
    is_share: bool
    meaning: str = ""


METRIC_WORDS: dict[Task, dict[str, MetricWords]] = {
    "multi_class": {
        "accuracy": MetricWords("Accuracy", True, "images whose likeliest class is right"),
        "top_5_accuracy": MetricWords(
            "Top-5 accuracy", True, "images with the right class among the five likeliest"
        ),
        "macro_precision": MetricWords(
            "Precision (macro)", True, "right answers among those naming a class, mean of classes"
        ),
        "macro_recall": MetricWords(
            "Recall (macro)", True, "images of a class that were found, mean of classes"
        ),
        "macro_f1": MetricWords("F1 (macro)", True, "precision and recall in one, mean of classes"),
        "roc_auc": MetricWords(
            "ROC AUC (macro)", False, "chance that an image of a class ranks above one that is not; 1 is best"
        ),
        "log_loss": MetricWords("Log loss", False, "surprise at the right class, in nats; 0 is best"),
        "ece": MetricWords(
            "Calibration error (ECE)", True, "gap between stated confidence and accuracy; 0 is best"
        ),
    },
    "multi_label": {
        "accuracy": MetricWords("Subset accuracy", True, "all labels of an image right"),
        "mean_average_precision": MetricWords(
            "Mean average precision", True, "precision over all thresholds, mean of labels; 100 % is best"
        ),
        "macro_precision": MetricWords(
            "Precision (macro)", True, "right among the images given a label, mean of labels"
        ),
        "macro_recall": MetricWords(
            "Recall (macro)", True, "images with a label that were given it, mean of labels"
        ),
        "macro_f1": MetricWords("F1 (macro)", True, "precision and recall in one, mean of labels"),
        "micro_f1": MetricWords("F1 (micro)", True, "the same over all labels of all images together"),
        "hamming_loss": MetricWords(
            "Hamming loss", True, "single labels, given or not, that are wrong; 0 is best"
        ),
        "roc_auc": MetricWords(
            "ROC AUC (macro)",
            False,
            "chance that an image with a label ranks above one without it; 1 is best",
        ),
        "log_loss": MetricWords("Log loss", False, "surprise at a label, in nats, mean of labels; 0 is best"),
        "ece": MetricWords(
            "Calibration error (ECE)", True, "gap between stated confidence and accuracy; 0 is best"
        ),
    },
}
# The metrics at the head of the page.
TILES: dict[Task, tuple[str, ...]] = {
    "multi_class": ("accuracy", "macro_f1", "roc_auc", "ece"),
    "multi_label": ("accuracy", "mean_average_precision", "macro_f1", "ece"),
}


def describe_metric(task: Task, name: str) -> MetricWords:
    """The words of the table; a metric without an entry goes by its own name."""
    return METRIC_WORDS[task].get(name) or MetricWords(name.replace("_", " "), False)
