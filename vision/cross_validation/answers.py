"""What k classifiers answered on the images that each had not seen, measured: scores, doubtful labels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vision.cross_validation.scores import CrossValidation, FoldScores
from vision.intervals import estimate_all
from vision.manifest import SEPARATOR
from vision.metrics import measure, metrics_of
from vision.task import Labels, Probabilities, has_class, task_of

# Columns of `to_table` before those of the classes.
TABLE = ("path", "label", "fold", "has_label_issue", "label_score")


@dataclass(frozen=True)
class OutOfFold:
    """Of each image: its fold, `number` (N,), 1..k, labels (N,) or (N, K), and probabilities (N, K), 0..1, of
    the classifier that was trained without this fold."""

    paths: tuple[str, ...]
    labels: Labels
    number: NDArray[np.intp]
    probabilities: Probabilities
    class_names: tuple[str, ...]

    @cached_property
    def doubts(self) -> LabelDoubts:
        """What cleanlab makes of the labels: worth as much as the classifiers are.

        No label is doubted where there are not two classes that some images have and some have not.
        """
        has, exact = has_class(self.labels, len(self.class_names)), self.probabilities.astype(np.float64)
        judged = has.any(axis=0) & ~has.all(axis=0)
        if judged.sum() < 2:
            return LabelDoubts(np.zeros(len(has), np.bool_), np.ones(len(has)))
        if task_of(self.labels) == "multi_class":
            return _judge_classes(self.labels, exact)
        return _judge_label_sets(has[:, judged], exact[:, judged])


@dataclass(frozen=True)
class LabelDoubts:
    """Of each image (N,): whether its label is doubted, and how well it fits, 0..1."""

    is_issue: NDArray[np.bool_]
    score: NDArray[np.float64]


def measure_all(labels: Labels, probabilities: Probabilities) -> dict[str, float]:
    """Every metric of the labels' task; of several labels, each is given from a probability of 0.5 on."""
    return {name: measure(name, labels, probabilities) for name in metrics_of(labels)}


def summarise(answers: OutOfFold, *, resamples: int = 300, seed: int = 0) -> CrossValidation:
    """Scores of each fold, of all answers together, and how many labels are doubtful.

    The intervals say how sure the pooled scores are for these k classifiers and other images. The spread is
    that of a score from fold to fold, not its standard error: the folds share most of their training images
    (Bengio & Grandvalet 2004, "No unbiased estimator of the variance of k-fold cross-validation").
    """
    folds = int(answers.number.max())
    held_out = [answers.number == fold for fold in range(1, folds + 1)]
    scores = [measure_all(answers.labels[rows], answers.probabilities[rows]) for rows in held_out]
    return CrossValidation(
        folds=folds,
        images=len(answers.labels),
        scores={name: _fold_scores([each[name] for each in scores]) for name in scores[0]},
        pooled=estimate_all(answers.labels, answers.probabilities, resamples=resamples, seed=seed),
        label_issues=int(answers.doubts.is_issue.sum()),
    )


def _fold_scores(values: list[float]) -> FoldScores:
    return FoldScores(values=tuple(values), mean=float(np.mean(values)), spread=float(np.std(values, ddof=1)))


def to_table(answers: OutOfFold | None) -> pd.DataFrame:
    """A row an image: TABLE as in the manifest, then `probability CLASS`, float32; without answers, no row.

    `fold` counts from 1. `label_score` is 0..1, small where the label is doubtful.
    """
    if answers is None:
        return pd.DataFrame({name: [] for name in TABLE})
    doubts, names = answers.doubts, np.array(answers.class_names, object)
    given = [SEPARATOR.join(names[row]) for row in has_class(answers.labels, len(names))]
    columns = (answers.paths, given, answers.number, doubts.is_issue, doubts.score)
    probabilities = pd.DataFrame(answers.probabilities, columns=[f"probability {name}" for name in names])
    return pd.concat([pd.DataFrame(dict(zip(TABLE, columns, strict=True))), probabilities], axis=1)


def _judge_classes(labels: Labels, probabilities: NDArray[np.float64]) -> LabelDoubts:
    """By the filters that vision.inspection.label_issues has found best, as below."""
    from cleanlab.filter import find_label_issues  # 1 s
    from cleanlab.rank import get_label_quality_scores

    issues = find_label_issues(labels, probabilities, filter_by="low_self_confidence", n_jobs=1)
    return LabelDoubts(
        issues & (probabilities.argmax(axis=1) != labels), get_label_quality_scores(labels, probabilities)
    )


def _judge_label_sets(has: NDArray[np.bool_], probabilities: NDArray[np.float64]) -> LabelDoubts:
    from cleanlab.multilabel_classification.filter import find_label_issues
    from cleanlab.multilabel_classification.rank import get_label_quality_scores

    lists = [np.flatnonzero(row).tolist() for row in has]
    issues = find_label_issues(lists, probabilities, filter_by="confident_learning", n_jobs=1)
    is_confirmed = ((probabilities >= 0.5) == has).all(axis=1)
    return LabelDoubts(issues & ~is_confirmed, get_label_quality_scores(lists, probabilities))
