"""Numbers and findings in plain words: what a reader without statistics takes from the page."""

from __future__ import annotations

import numpy as np

from vision.evaluation import Evaluation
from vision.intervals import MetricEstimate

# metric -> (its name, whether it is a share, what it means)
METRIC_WORDS: dict[str, tuple[str, bool, str]] = {
    "accuracy": ("Accuracy", True, "images whose likeliest class is right"),
    "top_5_accuracy": ("Top-5 accuracy", True, "images with the right class among the five likeliest"),
    "macro_precision": (
        "Precision (macro)",
        True,
        "right answers among those naming a class, mean of classes",
    ),
    "macro_recall": ("Recall (macro)", True, "images of a class that were found, mean of classes"),
    "macro_f1": ("F1 (macro)", True, "precision and recall in one, mean of classes"),
    "roc_auc": (
        "ROC AUC (macro)",
        False,
        "chance that an image of a class ranks above one that is not; 1 is best",
    ),
    "log_loss": ("Log loss", False, "surprise at the right class, in nats; 0 is best"),
    "ece": ("Calibration error (ECE)", True, "gap between stated confidence and accuracy; 0 is best"),
}
RUNTIME_NAMES = {"keras": "Keras", "litert": "LiteRT", "openvino": "OpenVINO"}
NARROW_SPACE = "\u202f"
TO = "\u2060–\u2060"  # a dash at which no line breaks
# Below this the interval of a good classifier is wider than most differences one asks about.
FEW_IMAGES = 100
GOOD_ECE = 0.03


def percent(share: float, decimals: int = 1) -> str:
    """ "99.2 %"; never rounded to 100.0 % or 0.0 % where it is not."""
    step = 10.0 ** -(decimals + 2)
    if 0 < share < 1:
        share = min(max(share, step), 1 - step)
    return f"{100 * share:.{decimals}f}{NARROW_SPACE}%"


def interval(estimate: MetricEstimate, *, is_share: bool) -> str:
    """ "97.6-99.7 %", or a dash where the interval has no width and so says nothing."""
    if estimate.low == estimate.high:
        return "–"
    if is_share:
        return f"{percent(estimate.low).removesuffix(NARROW_SPACE + '%')}{TO}{percent(estimate.high)}"
    return f"{number(estimate.low)}{TO}{number(estimate.high)}"


def value(estimate: MetricEstimate, *, is_share: bool) -> str:
    return percent(estimate.value) if is_share else number(estimate.value)


def number(figure: float) -> str:
    """Four decimals; "1.0000" is said of 1 only: a ranking that is nearly perfect is not called perfect."""
    text = f"{figure:.4f}"
    return "0.9999" if figure < 1 and text == "1.0000" else text


def size(size_bytes: int) -> str:
    """ "820 KB", "3.1 MB"; powers of 1000."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("KB", 1e3)):
        if size_bytes >= factor:
            number = size_bytes / factor
            return f"{number:.0f} {unit}" if number >= 100 else f"{number:.1f} {unit}"
    return f"{size_bytes} bytes"


def describe_metric(name: str) -> tuple[str, bool, str]:
    """Name, whether it is a share, and meaning; a metric without an entry goes by its own name."""
    return METRIC_WORDS.get(name, (name.replace("_", " "), False, ""))


def headline(evaluation: Evaluation) -> str:
    """The one sentence that everybody should read."""
    accuracy = evaluation.metrics["accuracy"]
    images = "image" if evaluation.images == 1 else "images"
    return (
        f"On {evaluation.images:,} test {images} that training never saw, {percent(accuracy.value)} right"
        f" (95{NARROW_SPACE}% interval {interval(accuracy, is_share=True)})."
    )


def served(evaluation: Evaluation) -> str:
    """What runs, how large and how fast, of the facts that are known; empty where none is."""
    model = evaluation.model
    parts = [
        " ".join(word for word in (RUNTIME_NAMES.get(model.runtime, model.runtime), model.precision) if word),
        size(model.size_bytes) if model.size_bytes is not None else "",
        f"{model.parameters:,} parameters" if model.parameters is not None else "",
        f"{model.latency_ms:.2g} ms an image" if model.latency_ms is not None else "",
    ]
    return ", ".join(part for part in parts if part)


def findings(evaluation: Evaluation) -> tuple[str, ...]:
    """The sentences after the headline: mistakes, weakest class, confidence, chance, doubts."""
    candidates = (
        _confusions(evaluation),
        _weakest(evaluation),
        _calibration(evaluation),
        _baseline(evaluation),
        _doubts(evaluation),
    )
    return tuple(sentence for sentence in candidates if sentence)


def _confusions(evaluation: Evaluation) -> str:
    pairs = evaluation.top_confusions(1)
    if not pairs:
        return "It made no mistake on them."
    pair = pairs[0]
    return (
        f"Its most frequent mistake: it takes “{pair.true}” for “{pair.predicted}”"
        f" ({pair.images} of {pair.support} images)."
    )


def _weakest(evaluation: Evaluation) -> str:
    present = [scores for scores in evaluation.per_class if scores.support]
    weakest = min(present, key=lambda scores: scores.recall.value)
    if weakest.recall.value == 1:
        return ""
    found = percent(weakest.recall.value)
    bounds = interval(weakest.recall, is_share=True)
    return (
        f"Hardest class: “{weakest.name}”, of whose {weakest.support} images it finds {found}"
        f" (95{NARROW_SPACE}% interval {bounds})."
    )


def _calibration(evaluation: Evaluation) -> str:
    ece = evaluation.metrics["ece"].value
    points = f"{100 * ece:.1f} percentage points on average"
    if ece < GOOD_ECE:
        return f"Its confidence can be taken at its word: stated and real accuracy differ by {points}."
    confidence = np.average(
        [bin.confidence for bin in evaluation.reliability],
        weights=[bin.images for bin in evaluation.reliability],
    )
    is_bold = confidence > evaluation.metrics["accuracy"].value
    verdict = "more" if is_bold else "less"
    return f"It is {verdict} confident than it should be: stated and real accuracy differ by {points}."


def _baseline(evaluation: Evaluation) -> str:
    largest = max(evaluation.per_class, key=lambda scores: scores.support)
    share = percent(largest.support / evaluation.images)
    return (
        f"For comparison: always answering “{largest.name}”, the largest class, would be right for {share}."
    )


def _doubts(evaluation: Evaluation) -> str:
    if evaluation.images >= FEW_IMAGES:
        return ""
    return f"{evaluation.images} images are few: measure on more before trusting small differences."
