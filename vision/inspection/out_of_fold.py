"""What a classifier says of each image that was taught with other images only.

A linear one on few numbers: it is taught once a fold, must not learn wrong labels by heart, and takes 17 s
for the 60,000 images of CIFAR-10.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vision.parallel import map_in_threads

Labels = NDArray[np.intp]

DIMENSIONS = 128
# Weak enough a penalty for probabilities near 0 and 1, which the filter for label issues lives on; the rows
# have a mean square length of 1. Of 0.3, 1, 3, 10 and 30 the best on digits and groceries together.
INVERSE_PENALTY = 10.0
STEPS = 100
# More rows do not make a linear classifier of 128 numbers better, and rows times classes are what it costs:
# 10 million take about ten seconds a fold on two cores.
MOST_ROWS, MOST_CELLS = 50_000, 10_000_000


def out_of_fold_probabilities(
    embedding: NDArray[np.float32], labels: Labels, *, units: NDArray[np.str_], folds: int, seed: int
) -> NDArray[np.float64]:
    """Probabilities (n, K) for each row of `embedding` (n, D), by a classifier that saw no row of its unit.

    `labels` are class indices (n,), and the K probabilities add up to 1, or zeros and ones (n, K).
    """
    from threadpoolctl import threadpool_limits

    count = int(labels.max()) + 1 if labels.ndim == 1 else labels.shape[1]
    probabilities = np.zeros((len(labels), count))
    fold_of_row = _assign_folds(labels, units, folds=folds, seed=seed)

    def judge(fold: int) -> None:
        held_out = fold_of_row == fold
        train = _sample(np.flatnonzero(~held_out), count, seed)
        probabilities[held_out] = _predict(features[train], labels[train], features[held_out], count)

    # A thread a fold. Threads of linear algebra inside would wait for one another on so small matrices:
    # thirty times as long where another program runs on the same cores.
    with threadpool_limits(1), warnings.catch_warnings():  # not in the threads, which share its filters
        # The last digits do not matter here.
        warnings.filterwarnings("ignore", message="lbfgs failed to converge")
        # A rare class of a multi-label set may lie in one fold whole; its probability is then 0 or 1.
        warnings.filterwarnings("ignore", message="Label .* is present in all training examples")
        features = _reduce(embedding, seed)
        map_in_threads(judge, range(folds), description="Judging labels")
    return probabilities


def _reduce(embedding: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """Principal components, scaled as one: separate scales would make the last count as much as the first."""
    from sklearn.decomposition import PCA  # 1.2 s

    size = min(DIMENSIONS, *embedding.shape)
    components: NDArray[np.float32] = PCA(size, random_state=seed).fit_transform(embedding)
    length = float(np.sqrt((components**2).sum(axis=1).mean()))
    scaled: NDArray[np.float32] = components / np.float32(length or 1.0)
    return scaled


def _assign_folds(labels: Labels, units: NDArray[np.str_], *, folds: int, seed: int) -> NDArray[np.intp]:
    """The fold of each row. One row stands for its unit: StratifiedGroupKFold says nearly the same, but takes
    17 s for 60,000 units, as long as all the rest."""
    from sklearn.model_selection import KFold, StratifiedKFold

    _, firsts, places = np.unique(units, return_index=True, return_inverse=True)
    # Units that stand under several labels may leave no class with enough units of its own.
    can_stratify = labels.ndim == 1 and np.bincount(labels[firsts]).max() >= folds
    kind = StratifiedKFold if can_stratify else KFold
    splits = kind(folds, shuffle=True, random_state=seed)
    fold_of_unit = np.empty(len(firsts), np.intp)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class")
        for fold, (_, held_out) in enumerate(splits.split(firsts, labels[firsts])):
            fold_of_unit[held_out] = fold
    return fold_of_unit[places]


def _sample(rows: NDArray[np.intp], class_count: int, seed: int) -> NDArray[np.intp]:
    most = min(MOST_ROWS, MOST_CELLS // class_count)
    if len(rows) <= most:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))


def _predict(
    features: NDArray[np.float32], labels: Labels, held_out: NDArray[np.float32], count: int
) -> NDArray[np.float64]:
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier

    classifier: Any = LogisticRegression(C=INVERSE_PENALTY, max_iter=STEPS)
    if labels.ndim == 2:
        classifier = OneVsRestClassifier(classifier)
    probabilities = np.zeros((len(held_out), count))
    if labels.ndim == 1 and (labels == labels[0]).all():
        probabilities[:, labels[0]] = 1.0
        return probabilities
    classifier.fit(features, labels)
    columns = classifier.classes_ if labels.ndim == 1 else slice(None)
    probabilities[:, columns] = classifier.predict_proba(held_out)
    return probabilities
