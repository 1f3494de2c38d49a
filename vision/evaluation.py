"""What a classifier did on labelled images: all that the gate, MLflow and the report need, as one value."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from vision.class_scores import (
    ClassScores,
    LabelCounts,
    class_scores,
    count_confusions,
    count_labels,
    label_scores,
)
from vision.classifier import ImageClassifier
from vision.curves import (
    PrecisionRecallCurve,
    ReliabilityBin,
    RocCurve,
    precision_recall_curves,
    reliability_bins,
    roc_curves,
)
from vision.errors import DataError
from vision.image_array import ImageArray
from vision.intervals import MetricEstimate, estimate_all
from vision.metrics import check_predictions
from vision.runtimes import Logits
from vision.task import Labels, Probabilities, Task, has_class, present_labels, task_of

__all__ = [
    "ClassScores",
    "Confusion",
    "Evaluation",
    "LabelCounts",
    "ModelFacts",
    "evaluate_classifier",
    "evaluate_predictions",
]


class ModelFacts(BaseModel):
    """What is known of the model beside its answers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    runtime: str = ""
    precision: str = ""
    temperature: float | None = None
    parameters: int | None = None
    size_bytes: int | None = None
    latency_ms: float | None = None


class Confusion(BaseModel):
    """Two classes that are taken for each other."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    true: str
    predicted: str
    images: int
    support: int


class Evaluation(BaseModel):
    """Everything measured on one set of images; `model_dump_json` and back loses nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: Task = "multi_class"
    images: int
    class_names: tuple[str, ...]
    thresholds: tuple[float, ...] = ()  # multi-label: one a class
    model: ModelFacts
    metrics: dict[str, MetricEstimate]
    per_class: tuple[ClassScores, ...]
    confusion: tuple[tuple[int, ...], ...]  # row: true class, column: answer; multi-label: ()
    label_counts: tuple[LabelCounts, ...] = ()  # multi-class: ()
    reliability: tuple[ReliabilityBin, ...]
    roc: tuple[RocCurve, ...]
    precision_recall: tuple[PrecisionRecallCurve, ...] = ()

    def top_confusions(self, limit: int) -> tuple[Confusion, ...]:
        """The pairs (true class, wrong answer) that occur, most frequent first; none of a multi-label set."""
        if not self.confusion:
            return ()
        matrix = np.array(self.confusion)
        wrong = matrix * (1 - np.eye(len(matrix), dtype=int))
        order = np.argsort(-wrong, axis=None, kind="stable")[:limit]
        rows, columns = np.unravel_index(order, wrong.shape)
        names = self.class_names
        return tuple(
            Confusion(
                true=names[i], predicted=names[j], images=int(wrong[i, j]), support=int(matrix[i].sum())
            )
            for i, j in zip(rows, columns, strict=True)
            if wrong[i, j]
        )


def evaluate_predictions(
    probabilities: Probabilities,
    labels: Labels,
    class_names: Sequence[str],
    *,
    thresholds: tuple[float, ...] = (),
    resamples: int = 300,
    seed: int = 0,
    model: ModelFacts | None = None,
) -> Evaluation:
    """The evaluation of probabilities (N, K) against labels (N,), 0..K-1, or (N, K), 0 or 1.

    Thresholds matter to labels (N, K) only: one a label, or none for 0.5 each. DataError where these do not
    fit each other.
    """
    check_predictions(labels, probabilities)
    _check_names(class_names, thresholds, probabilities.shape[1])
    several, classes = task_of(labels) == "multi_label", len(class_names)
    limits = thresholds or (0.5,) * classes if several else ()
    answers = probabilities.argmax(axis=1)
    given = present_labels(probabilities, limits) if several else has_class(answers, classes)
    counts = count_labels(has_class(labels, classes), given, class_names)
    curves = precision_recall_curves(labels, probabilities, class_names)
    return Evaluation(
        task=task_of(labels),
        images=len(labels),
        class_names=tuple(class_names),
        thresholds=limits,
        model=model or ModelFacts(),
        metrics=estimate_all(labels, probabilities, thresholds=limits, resamples=resamples, seed=seed),
        per_class=label_scores(counts, curves, limits) if several else class_scores(counts),
        confusion=() if several else count_confusions(labels, answers, classes),
        label_counts=counts if several else (),
        reliability=reliability_bins(labels, probabilities),
        roc=roc_curves(labels, probabilities, class_names),
        precision_recall=curves,
    )


def _check_names(class_names: Sequence[str], thresholds: tuple[float, ...], classes: int) -> None:
    if len(class_names) != classes or len(thresholds) not in (0, classes):
        raise DataError(
            f"{len(class_names)} class names and {len(thresholds)} thresholds do not fit probabilities of"
            f" {classes} classes: allowed are {classes} names, and {classes} thresholds or none"
        )


def evaluate_classifier(
    classifier: ImageClassifier,
    images: ImageArray,
    labels: Labels,
    *,
    resamples: int = 300,
    seed: int = 0,
    model: ModelFacts | None = None,
) -> Evaluation:
    """The evaluation of a classifier on preprocessed images (N, H, W, 3), uint8."""
    logits = classifier.logits(images)
    return evaluate_logits(classifier, logits, labels, resamples=resamples, seed=seed, model=model)


def evaluate_logits(
    classifier: ImageClassifier,
    logits: Logits,
    labels: Labels,
    *,
    resamples: int = 300,
    seed: int = 0,
    model: ModelFacts | None = None,
) -> Evaluation:
    """The evaluation of what a classifier said of images: its logits (N, K).

    Runtime, precision, temperature and thresholds are the classifier's own; `model` says the rest.
    """
    known = {
        "runtime": classifier.runtime.name,
        "precision": classifier.runtime.precision,
        "temperature": classifier.temperature,
    }
    return evaluate_predictions(
        classifier.to_probabilities(logits),
        labels,
        classifier.class_names,
        thresholds=classifier.thresholds,
        resamples=resamples,
        seed=seed,
        model=(model or ModelFacts()).model_copy(update=known),
    )
