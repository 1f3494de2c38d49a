"""Which labels are doubtful: those that a classifier, taught with the other images, would not have given.

Flags on labels of which 5 % were replaced at random, mean of three draws:

    set, embedding                     out-of-fold accuracy   precision   recall
    1,797 digits, descriptor                           0.94        1.00     0.80
    5,421 groceries, mobilenet_v2                      0.84        0.94     0.95
    4,317 flowers, mobilenet_v2                        0.67        0.26     0.80
    4,317 flowers, descriptor                          0.56        0.14     0.81
    5,421 groceries, descriptor                        0.53        0.17     0.98

Classifier and filter were chosen on these same sets, so expect a little less. The flags are worth as much as
the classifier is, and one of which _knows_enough is False raises none: the last two rows are what it would
have raised. Compared were cleanlab's seven filters, logistic regressions of seven strengths, linear
discriminants (groceries: 0.32 precision) and the two voting together. Pairs of digits with a class too many
or too few, as a multi-label set: precision 0.97, recall 0.81 by the filter chosen there, 0.87 and 0.92 by
cleanlab's default.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vision.inspection.out_of_fold import Labels, out_of_fold_probabilities
from vision.manifest import EXCLUDED, SEPARATOR, Manifest

logger = logging.getLogger(__name__)

# Below it, one flag in six or seven was right (flowers and groceries by descriptor).
LEAST_ACCURACY = 0.6


@dataclass(frozen=True)
class LabelJudgement:
    """`table` has has_label_issue, suggested_label and label_score, row for row as the manifest.

    `out_of_fold_accuracy` (0..1) is the share of given labels that the classifier gave too, of a multi-label
    set the mean over its classes; None where nothing could be judged.
    """

    table: pd.DataFrame
    out_of_fold_accuracy: float | None


def judge_labels(
    manifest: Manifest, embedding: NDArray[np.float32], *, folds: int, seed: int
) -> LabelJudgement:
    """The doubtful labels of readable rows; `embedding` (N, D) is of the same rows.

    Excluded rows and classes of fewer than `folds` different images are not judged; the order of the rows
    does not matter. The table needs the column `cluster`: copies must not vouch for one another.
    """
    verdict = _judge(manifest, _Task(manifest.table, embedding, folds, seed))
    table = unjudged(len(manifest.table))
    if verdict is None:
        return LabelJudgement(table, None)
    issues = verdict.issues & (verdict.suggestions != verdict.given)
    if not _knows_enough(verdict):
        logger.warning(
            "no label is doubted: a classifier on this embedding gives only %.0f %% of the labels itself,"
            " guessing gives %.0f %%; for photos set config.quality.embedding to mobilenet_v2 and"
            " config.quality.weights in the YAML", 100 * verdict.accuracy, 100 * verdict.guessing,
        )  # fmt: skip
        issues = np.zeros_like(issues)
    table.loc[verdict.rows, "label_score"] = verdict.scores
    table.loc[verdict.rows, "has_label_issue"] = issues
    table.loc[verdict.rows[issues], "suggested_label"] = verdict.suggestions[issues]
    return LabelJudgement(table, verdict.accuracy)


def unjudged(count: int) -> pd.DataFrame:
    """The columns of labels that nobody looked at."""
    columns = {"has_label_issue": False, "suggested_label": "", "label_score": 1.0}
    return pd.DataFrame(columns, index=range(count))


@dataclass(frozen=True)
class _Verdict:
    """Of the judged rows, (n,) each: labels as given and as the classifier would have them, scores 0..1."""

    rows: NDArray[np.intp]
    given: NDArray[np.object_]
    suggestions: NDArray[np.object_]
    scores: NDArray[np.float64]
    issues: NDArray[np.bool_]
    accuracy: float
    guessing: float  # accuracy of always saying what most images are


def _knows_enough(verdict: _Verdict) -> bool:
    """Whether the classifier avoids half of a guesser's mistakes: where nearly all images have a class, an
    accuracy of 0.83 is worth nothing (blood cells: 164 of 364 flagged)."""
    return verdict.accuracy >= max(LEAST_ACCURACY, (1 + verdict.guessing) / 2)


class _Task:
    """The rows that may be judged, in an order of their own, and what vouches for them."""

    def __init__(self, table: pd.DataFrame, embedding: NDArray[np.float32], folds: int, seed: int) -> None:
        order = np.lexsort((table["path"].to_numpy(str), table["sha256"].to_numpy(str)))
        units = np.where(table["cluster"] == "", table["sha256"], table["cluster"])
        self.rows = order[(table["split"] != EXCLUDED).to_numpy()[order]]
        self.units = units.astype(str)[self.rows]
        self.folds = folds
        self._embedding, self._seed = embedding, seed

    def probabilities(self, labels: Labels, chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Out-of-fold probabilities of the chosen rows."""
        return out_of_fold_probabilities(
            self._embedding[self.rows[chosen]],
            labels,
            units=self.units[chosen],
            folds=self.folds,
            seed=self._seed,
        )


def _judge(manifest: Manifest, task: _Task) -> _Verdict | None:
    given = manifest.table["label"].to_numpy(object)[task.rows]
    return _judge_label_sets(given, task) if manifest.is_multi_label else _judge_classes(given, task)


def _judge_classes(given: NDArray[np.object_], task: _Task) -> _Verdict | None:
    from cleanlab.filter import find_label_issues  # 1 s
    from cleanlab.rank import get_label_quality_scores

    units = pd.Series(task.units).groupby(given).nunique()
    chosen = np.isin(given, units.index[units >= task.folds].to_numpy(object))
    labels, classes = pd.factorize(given[chosen], sort=True)
    if len(classes) < 2:
        return None
    probabilities = task.probabilities(labels, chosen)
    return _Verdict(
        rows=task.rows[chosen],
        given=given[chosen],
        suggestions=classes[probabilities.argmax(axis=1)],
        scores=get_label_quality_scores(labels, probabilities),
        issues=find_label_issues(labels, probabilities, filter_by="low_self_confidence", n_jobs=1),
        accuracy=float((probabilities.argmax(axis=1) == labels).mean()),
        guessing=float(np.bincount(labels).max() / len(labels)),
    )


def _judge_label_sets(given: NDArray[np.object_], task: _Task) -> _Verdict | None:
    from cleanlab.multilabel_classification.filter import find_label_issues
    from cleanlab.multilabel_classification.rank import get_label_quality_scores

    # pandas makes a class "" of the images that have none.
    labels = pd.Series(given).str.get_dummies(SEPARATOR).drop(columns="", errors="ignore")
    judged = _common(labels, task)
    if len(judged) < 2:
        return None
    table = labels[judged].to_numpy(np.intp)
    probabilities = task.probabilities(table, np.ones(len(given), bool))
    predicted = labels.copy()
    predicted[judged] = (probabilities >= 0.5).astype(np.intp)
    lists = [np.flatnonzero(row).tolist() for row in table]
    return _Verdict(
        rows=task.rows,
        given=given,
        suggestions=_join(predicted),
        scores=get_label_quality_scores(lists, probabilities),
        issues=find_label_issues(lists, probabilities, filter_by="confident_learning", n_jobs=1),
        accuracy=float((predicted[judged] == labels[judged]).to_numpy().mean()),
        guessing=float(np.maximum(table.mean(axis=0), 1 - table.mean(axis=0)).mean()),
    )


def _common(labels: pd.DataFrame, task: _Task) -> list[str]:
    """The classes that enough different images have, and enough have not."""
    images = labels.groupby(task.units)
    fewest = np.minimum(images.max().sum(), (1 - images.min()).sum())
    return labels.columns[fewest >= task.folds].tolist()


def _join(labels: pd.DataFrame) -> NDArray[np.object_]:
    names = labels.columns.to_numpy(object)
    rows = labels.to_numpy(bool)
    return np.array([SEPARATOR.join(names[row]) for row in rows], object)
