"""What the evaluation says, in sentences for a reader without statistics; "" where there is nothing."""

from __future__ import annotations

import numpy as np

from vision.class_scores import ClassScores
from vision.evaluation import Evaluation
from vision.report.wording import interval, likely, percent, runs_as, size

# Below this the interval of a good classifier is wider than most differences one asks about.
FEW_IMAGES = 100
# Wilson's interval of half of 20 images is 40 points wide: such a class may as well be good as bad.
FEW_OF_A_CLASS = 20
GOOD_ECE = 0.03
NAMED_CLASSES = 6
NO_MISTAKE = "It made no mistake on them."


def purpose(evaluation: Evaluation) -> str:
    """What it answers, with the first few names."""
    names = evaluation.class_names
    named = ", ".join(f"“{name}”" for name in names[:NAMED_CLASSES])
    more = f" and {len(names) - NAMED_CLASSES:,} more" if len(names) > NAMED_CLASSES else ""
    if evaluation.task == "multi_label":
        return f"It gives an image any of {len(names):,} labels: {named}{more}."
    return f"It gives each image one of {len(names):,} classes: {named}{more}."


def headline(evaluation: Evaluation) -> str:
    """The one thing that everybody should read."""
    accuracy = evaluation.metrics["accuracy"]
    images = "image" if evaluation.images == 1 else "images"
    verdict = "have all their labels right" if evaluation.task == "multi_label" else "right"
    likely_range = interval(accuracy, is_share=True)
    return (
        f"On {evaluation.images:,} test {images} that training never saw,"
        f" {percent(accuracy.value)} {verdict}."
        f" On further images of the same kind, very likely {likely_range}."
    )


def served(evaluation: Evaluation) -> str:
    """What runs, how large and how fast, of the facts that are known; empty where none is."""
    model = evaluation.model
    parts = [
        runs_as(model.runtime, model.precision),
        size(model.size_bytes) if model.size_bytes is not None else "",
        f"{model.parameters:,} parameters" if model.parameters is not None else "",
        f"{model.latency_ms:.2g} ms an image" if model.latency_ms is not None else "",
    ]
    return ", ".join(part for part in parts if part)


def baseline(evaluation: Evaluation) -> str:
    """How good a classifier that never looks at the image would be."""
    if evaluation.task == "multi_label":
        return _label_baseline(evaluation)
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


def mistakes(evaluation: Evaluation) -> str:
    """The most frequent mistake."""
    if evaluation.task == "multi_label":
        return _label_mistakes(evaluation)
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


def weakest(evaluation: Evaluation) -> str:
    """The class that it finds least of, or the label that it ranks worst."""
    is_multi_label = evaluation.task == "multi_label"
    present = [scores for scores in evaluation.per_class if scores.support]
    hardest = min(present, key=_average_precision if is_multi_label else _recall, default=None)
    if hardest is None or (_average_precision if is_multi_label else _recall)(hardest) == 1:
        return ""
    given = f"; of those it gives it to, {percent(hardest.precision)} have it" if is_multi_label else ""
    return (
        f"Hardest {'label' if is_multi_label else 'class'}: “{hardest.name}”, of whose {hardest.support:,}"
        f" images it finds {percent(hardest.recall.value)} ({likely(hardest.recall)}){given}."
    )


def _recall(scores: ClassScores) -> float:
    return scores.recall.value


def _average_precision(scores: ClassScores) -> float:
    """1 where it is undefined: such a label is not the hardest."""
    return 1.0 if scores.average_precision is None else scores.average_precision


def confidence(evaluation: Evaluation) -> str:
    """Whether the stated confidence is that of the answers."""
    ece = evaluation.metrics["ece"].value
    points = f"{100 * ece:.1f} percentage points on average"
    if ece < GOOD_ECE:
        return f"Its confidence can be taken at its word: stated and real accuracy differ by {points}."
    stated, real = np.average(
        [(bin.confidence, bin.accuracy) for bin in evaluation.reliability],
        weights=[bin.images for bin in evaluation.reliability],
        axis=0,
    )
    verdict = "more" if stated > real else "less"
    return f"It is {verdict} confident than it should be: stated and real accuracy differ by {points}."


def doubts(evaluation: Evaluation) -> str:
    """Where too few images were measured."""
    if evaluation.images < FEW_IMAGES:
        return f"{evaluation.images} images are few: measure on more before trusting small differences."
    rare = sum(scores.support < FEW_OF_A_CLASS for scores in evaluation.per_class)
    if not rare:
        return ""
    noun = "labels" if evaluation.task == "multi_label" else "classes"
    return (
        f"{rare:,} of the {len(evaluation.per_class):,} {noun} have fewer than {FEW_OF_A_CLASS} test images:"
        " too few to tell how good it is on each of these."
    )
