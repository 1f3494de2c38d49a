"""What the numbers say, in sentences: what a reader without statistics takes from the page."""

from __future__ import annotations

import numpy as np

from vision.class_scores import ClassScores
from vision.evaluation import Evaluation
from vision.report.wording import NARROW_SPACE, RUNTIME_NAMES, interval, percent, size

# Below this the interval of a good classifier is wider than most differences one asks about.
FEW_IMAGES = 100
GOOD_ECE = 0.03
NO_MISTAKE = "It made no mistake on them."


def headline(evaluation: Evaluation) -> str:
    """The one sentence that everybody should read."""
    accuracy = evaluation.metrics["accuracy"]
    images = "image" if evaluation.images == 1 else "images"
    verdict = "have all their labels right" if evaluation.task == "multi_label" else "right"
    return (
        f"On {evaluation.images:,} test {images} that training never saw, {percent(accuracy.value)} {verdict}"
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
    is_multi_label = evaluation.task == "multi_label"
    candidates = (
        _label_mistakes(evaluation) if is_multi_label else _confusions(evaluation),
        _weakest_label(evaluation) if is_multi_label else _weakest(evaluation),
        _calibration(evaluation),
        _label_baseline(evaluation) if is_multi_label else _baseline(evaluation),
        _doubts(evaluation),
    )
    return tuple(sentence for sentence in candidates if sentence)


def _confusions(evaluation: Evaluation) -> str:
    pairs = evaluation.top_confusions(1)
    if not pairs:
        return NO_MISTAKE
    pair = pairs[0]
    return (
        f"Its most frequent mistake: it takes “{pair.true}” for “{pair.predicted}”"
        f" ({pair.images} of {pair.support} images)."
    )


def _label_mistakes(evaluation: Evaluation) -> str:
    missed = max(evaluation.label_counts, key=lambda label: label.false_negatives)
    invented = max(evaluation.label_counts, key=lambda label: label.false_positives)
    if not missed.false_negatives and not invented.false_positives:
        return NO_MISTAKE
    if missed.false_negatives >= invented.false_positives:
        images = missed.true_positives + missed.false_negatives
        mistake = f"it misses “{missed.name}” ({missed.false_negatives} of the {images} images with it)"
    else:
        images = invented.true_negatives + invented.false_positives
        mistake = (
            f"it sees “{invented.name}” where it is not"
            f" ({invented.false_positives} of the {images} images without it)"
        )
    return f"Its most frequent mistake: {mistake}."


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


def _weakest_label(evaluation: Evaluation) -> str:
    weakest = min(evaluation.per_class, key=_average_precision)
    if _average_precision(weakest) == 1:
        return ""
    found = percent(weakest.recall.value)
    bounds = interval(weakest.recall, is_share=True)
    return (
        f"Hardest label: “{weakest.name}”, of average precision {percent(_average_precision(weakest))};"
        f" of its {weakest.support} images it finds {found} (95{NARROW_SPACE}% interval {bounds})."
    )


def _average_precision(scores: ClassScores) -> float:
    """1 where it is undefined: a label that no image has is not the hardest."""
    return 1.0 if scores.average_precision is None or not scores.support else scores.average_precision


def _calibration(evaluation: Evaluation) -> str:
    ece = evaluation.metrics["ece"].value
    points = f"{100 * ece:.1f} percentage points on average"
    if ece < GOOD_ECE:
        return f"Its confidence can be taken at its word: stated and real accuracy differ by {points}."
    confidence, accuracy = np.average(
        [(bin.confidence, bin.accuracy) for bin in evaluation.reliability],
        weights=[bin.images for bin in evaluation.reliability],
        axis=0,
    )
    verdict = "more" if confidence > accuracy else "less"
    return f"It is {verdict} confident than it should be: stated and real accuracy differ by {points}."


def _baseline(evaluation: Evaluation) -> str:
    largest = max(evaluation.per_class, key=lambda scores: scores.support)
    share = percent(largest.support / evaluation.images)
    return (
        f"For comparison: always answering “{largest.name}”, the largest class, would be right for {share}."
    )


def _label_baseline(evaluation: Evaluation) -> str:
    right = percent(1 - evaluation.metrics["hamming_loss"].value)
    commoner = [max(scores.support, evaluation.images - scores.support) for scores in evaluation.per_class]
    blind = percent(float(np.mean(commoner)) / evaluation.images)
    return (
        f"Label by label, {right} of its answers are right. For comparison: always giving the labels that"
        f" most images have, and no other, would be right for {blind}."
    )


def _doubts(evaluation: Evaluation) -> str:
    if evaluation.images >= FEW_IMAGES:
        return ""
    return f"{evaluation.images} images are few: measure on more before trusting small differences."
