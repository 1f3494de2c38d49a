"""What the doubt is worth on test images: coverage of the sets, errors left where people see the doubtful."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from vision.classifier import ImageClassifier
from vision.errors import DataError
from vision.intervals import MetricEstimate, wilson_interval
from vision.metrics import check_predictions, ece
from vision.runtimes import Logits
from vision.task import Labels, Present, Probabilities
from vision.uncertainty.rules import Judgement, SetRule

CURVE_POINTS = 100


class SetScores(BaseModel):
    """Prediction sets of one rule: promised coverage, what came out, and what it cost in classes a set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: str
    promised: float
    coverage: MetricEstimate
    mean_size: float
    sizes: tuple[int, ...]  # images whose set has 0, 1, 2 ... classes
    per_class: dict[str, float]  # class -> coverage of its images


class SelectivePoint(BaseModel):
    """Of the most confident share of the images (0..1), the share that is wrong."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    coverage: float
    error: float


class UncertaintyEvaluation(BaseModel):
    """`automated`: share of test images that need no person at `target_error`; `error`: the wrong among them.

    `target_error` 1 is no promise, as of multi-label classifiers, which never abstain. `sets` is empty where
    the bundle has none. `ece_before`, `ece_after`: calibration. `doubt` are areas under the ROC curve of
    telling wrong answers from right ones, by score (confidence, energy, dropout, members).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    target_error: float
    automated: MetricEstimate
    error: MetricEstimate
    sets: tuple[SetScores, ...]
    curve: tuple[SelectivePoint, ...]
    ece_before: float
    ece_after: float
    doubt: dict[str, float]


def evaluate_uncertainty(
    classifier: ImageClassifier,
    logits: Logits,
    labels: Labels,
    *,
    more_doubt: Mapping[str, NDArray[np.floating]] | None = None,
) -> UncertaintyEvaluation:
    """What the classifier's rules came to on logits (N, K) and labels (N,), 0..K-1, or (N, K), 0 or 1.

    Of several labels an answer is right where all are; its confidence is that of the least sure label,
    max(p, 1 - p). `more_doubt` are further scores (N,), greater where in doubt. DataError where these do not
    fit, or the classifier has no rules.
    """
    if classifier.uncertainty is None:
        raise DataError("this classifier has no rules of doubt: calibrate it, by vision.calibration, first")
    judgement = classifier.judge(logits)
    check_predictions(labels, judgement.probabilities)
    right, confidence = _answers(classifier, judgement, labels)
    answered, wrong = ~judgement.abstains, ~right
    rule = classifier.uncertainty.sets
    scores = {"confidence": -confidence, "energy": judgement.energy, **(more_doubt or {})}
    uncalibrated = classifier.with_temperature(1.0).to_probabilities(logits)
    return UncertaintyEvaluation(
        target_error=classifier.uncertainty.target_error,
        automated=wilson_interval(int(answered.sum()), len(right)),
        error=wilson_interval(int((answered & wrong).sum()), int(answered.sum())),
        sets=() if rule is None else (_set_scores(rule, judgement.sets, labels, classifier.class_names),),
        curve=selective_curve(confidence, right),
        ece_before=ece(labels, uncalibrated),
        ece_after=ece(labels, judgement.probabilities),
        doubt={name: _tells_wrong(score, wrong) for name, score in scores.items()},
    )


def selective_curve(confidence: NDArray[np.floating], right: NDArray[np.bool_]) -> tuple[SelectivePoint, ...]:
    """The error of the most confident images, from few to all; at most 100 points.

    Images (N,) of equal confidence are answered together: no threshold tells them apart.
    """
    falling = np.argsort(-confidence, kind="stable")
    doubts = -confidence[falling]
    wanted = np.ceil(np.linspace(0, 1, CURVE_POINTS + 1)[1:] * len(right)).astype(int)
    counts = np.unique(np.searchsorted(doubts, doubts[wanted - 1], side="right"))
    wrong = np.cumsum(~right[falling])[counts - 1]
    return tuple(
        SelectivePoint(coverage=count / len(right), error=errors / count)
        for count, errors in zip(counts.tolist(), wrong.tolist(), strict=True)
    )


def _answers(
    classifier: ImageClassifier, judgement: Judgement, labels: Labels
) -> tuple[NDArray[np.bool_], Probabilities]:
    """Whether each image's answer is right, and its confidence, both (N,)."""
    probabilities = judgement.probabilities
    if classifier.task == "multi_class":
        return probabilities.argmax(axis=1) == labels, probabilities.max(axis=1)
    sure = np.maximum(probabilities, 1 - probabilities).min(axis=1)
    return (classifier.present(probabilities) == (labels == 1)).all(axis=1), sure


def _set_scores(rule: SetRule, sets: Present, labels: Labels, class_names: Sequence[str]) -> SetScores:
    covered, sizes = sets[np.arange(len(labels)), labels], sets.sum(axis=1)
    images = np.bincount(labels, minlength=len(class_names))
    hits = np.bincount(labels, weights=covered, minlength=len(class_names))
    return SetScores(
        method=rule.method,
        promised=rule.coverage,
        coverage=wilson_interval(int(covered.sum()), len(labels)),
        mean_size=float(sizes.mean()),
        sizes=tuple(np.bincount(sizes).tolist()),
        per_class={
            name: float(hits[index] / images[index])
            for index, name in enumerate(class_names)
            if images[index]
        },
    )


def _tells_wrong(doubt: NDArray[np.floating], wrong: NDArray[np.bool_]) -> float:
    """Area under the ROC curve; 0.5, no ranking shown, where all answers are right, or all wrong."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(wrong, doubt)) if 0 < wrong.sum() < len(wrong) else 0.5
