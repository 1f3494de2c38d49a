"""What a classifier did on labelled images: all that the gate, MLflow and the report need, as one value."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from vision.classifier import ImageClassifier
from vision.curves import ReliabilityBin, RocCurve, reliability_bins, roc_curves
from vision.errors import DataError
from vision.image_array import ImageArray
from vision.intervals import MetricEstimate, estimate_all, wilson_interval
from vision.metrics import Labels, Probabilities, check_predictions
from vision.promotion import Scores


class ModelFacts(BaseModel):
    """What is known of the model beside its answers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    runtime: str = ""
    precision: str = ""
    temperature: float | None = None
    parameters: int | None = None
    size_bytes: int | None = None
    latency_ms: float | None = None


class ClassScores(BaseModel):
    """One class: the share of its images found (recall) and of right answers among those naming it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    support: int
    precision: float
    recall: MetricEstimate
    f1: float


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

    images: int
    class_names: tuple[str, ...]
    model: ModelFacts
    metrics: dict[str, MetricEstimate]
    per_class: tuple[ClassScores, ...]
    confusion: tuple[tuple[int, ...], ...]  # row: true class, column: answer
    reliability: tuple[ReliabilityBin, ...]
    roc: tuple[RocCurve, ...]

    @property
    def scores(self) -> Scores:
        """What the promotion gate looks at."""
        values = {name: self.metrics[name].value for name in ("accuracy", "ece")}
        return Scores(**values, images=self.images)

    def top_confusions(self, limit: int) -> tuple[Confusion, ...]:
        """The pairs (true class, wrong answer) that occur, most frequent first."""
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
    resamples: int = 300,
    seed: int = 0,
    model: ModelFacts | None = None,
) -> Evaluation:
    """The evaluation of probabilities (N, K) against labels (N,), 0..K-1; DataError where they do not fit."""
    check_predictions(labels, probabilities)
    if len(class_names) != probabilities.shape[1]:
        raise DataError(
            f"{len(class_names)} class names do not fit probabilities of shape {probabilities.shape}"
        )
    confusion = confusion_counts(labels, probabilities.argmax(axis=1), len(class_names))
    return Evaluation(
        images=len(labels),
        class_names=tuple(class_names),
        model=model or ModelFacts(),
        metrics=estimate_all(labels, probabilities, resamples=resamples, seed=seed),
        per_class=_class_scores(confusion, class_names),
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
        reliability=reliability_bins(labels, probabilities),
        roc=roc_curves(labels, probabilities, class_names),
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
    """The evaluation of a classifier on preprocessed images (N, H, W, 3), uint8.

    Runtime, precision and temperature are the classifier's own, whatever `model` says of them.
    """
    known = {
        "runtime": classifier.runtime.name,
        "precision": classifier.runtime.precision,
        "temperature": classifier.temperature,
    }
    return evaluate_predictions(
        classifier.predict(images),
        labels,
        classifier.class_names,
        resamples=resamples,
        seed=seed,
        model=(model or ModelFacts()).model_copy(update=known),
    )


def confusion_counts(labels: Labels, answers: Labels, classes: int) -> NDArray[np.int64]:
    """Images (K, K) of each true class (row) that were given each answer (column)."""
    from sklearn.metrics import confusion_matrix

    counts: NDArray[np.int64] = confusion_matrix(labels, answers, labels=range(classes))
    return counts


def _class_scores(confusion: NDArray[np.int64], class_names: Sequence[str]) -> tuple[ClassScores, ...]:
    scores = []
    for k, name in enumerate(class_names):
        right, support, answered = (
            int(count) for count in (confusion[k, k], confusion[k].sum(), confusion[:, k].sum())
        )
        scores.append(
            ClassScores(
                name=name,
                support=support,
                precision=right / max(1, answered),
                recall=wilson_interval(right, support),
                f1=2 * right / max(1, support + answered),
            )
        )
    return tuple(scores)
