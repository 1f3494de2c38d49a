"""Each class of an evaluation on its own: how often it is given, and how often rightly.

Of both tasks: of classes, each is counted against all the others.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from vision.curves import PrecisionRecallCurve
from vision.intervals import MetricEstimate, wilson_interval
from vision.task import Labels, Present


class LabelCounts(BaseModel):
    """Images by whether they have the label (true, false negative) and were given it (positive)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int


class ClassScores(BaseModel):
    """One class: the share of its images found (recall) and of right answers among those naming it.

    All three have Wilson's interval. F1 is no share of images, but it grows with one: of the images that
    have the class or are given it, the share J of those of which both is true; F1 = 2 J / (1 + J), and so
    the ends of J's interval give those of F1's.

    Of a multi-label set also its threshold and, where an image has the label, its average precision.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    support: int
    precision: float
    recall: MetricEstimate
    f1: float
    precision_interval: MetricEstimate
    f1_interval: MetricEstimate
    average_precision: float | None = None
    threshold: float | None = None


def count_labels(has: Present, given: Present, class_names: Sequence[str]) -> tuple[LabelCounts, ...]:
    """The counts of each class, of (N, K): whether each image has it, whether it was given it."""
    columns = (counted.sum(axis=0).tolist() for counted in (has & given, ~has & given, has & ~given))
    return tuple(
        LabelCounts(
            name=name,
            true_positives=right,
            false_positives=wrong,
            false_negatives=missed,
            true_negatives=len(has) - right - wrong - missed,
        )
        for name, right, wrong, missed in zip(class_names, *columns, strict=True)
    )


def class_scores(counts: Sequence[LabelCounts]) -> tuple[ClassScores, ...]:
    """The scores of each class."""
    return tuple(_score(count) for count in counts)


def label_scores(
    counts: Sequence[LabelCounts], curves: Sequence[PrecisionRecallCurve], thresholds: Sequence[float]
) -> tuple[ClassScores, ...]:
    """The same of each label, with its threshold and, where it has a curve, its average precision."""
    areas = {curve.name: curve.average_precision for curve in curves}
    return tuple(
        _score(count).model_copy(
            update={"average_precision": areas.get(count.name), "threshold": float(threshold)}
        )
        for count, threshold in zip(counts, thresholds, strict=True)
    )


def _score(count: LabelCounts) -> ClassScores:
    right = count.true_positives
    support, given = right + count.false_negatives, right + count.false_positives
    return ClassScores(
        name=count.name,
        support=support,
        precision=right / max(1, given),
        recall=wilson_interval(right, support),
        f1=2 * right / max(1, support + given),
        precision_interval=wilson_interval(right, given),
        f1_interval=_f1_interval(right, support + given - right),
    )


def _f1_interval(both: int, either: int) -> MetricEstimate:
    """Of the images that have the class and are given it, among those of which either is true."""
    share = wilson_interval(both, either)
    ends = {name: 2 * end / (1 + end) for name, end in share.model_dump().items()}
    return MetricEstimate(**ends)


def count_confusions(labels: Labels, answers: Labels, classes: int) -> tuple[tuple[int, ...], ...]:
    """Images (K, K) of each true class (row) that were given each answer (column); labels (N,)."""
    from sklearn.metrics import confusion_matrix

    matrix = confusion_matrix(labels, answers, labels=range(classes))
    return tuple(tuple(int(count) for count in row) for row in matrix)
