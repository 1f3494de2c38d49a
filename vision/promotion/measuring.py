"""Two versions on the same test images -> the gate's figures, and its decision.

Both are measured as their bundles answer, each by its own preprocessing: what a pipeline knew of the model
that it registered is not asked again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from vision.comparison import Answered, answer_test, label_test, select_test
from vision.intervals import estimate_differences
from vision.manifest import Manifest
from vision.metrics import check_predictions, measure, metrics_of
from vision.promotion.costs import Version, measure_costs
from vision.promotion.decision import PromotionDecision, decide
from vision.promotion.figures import Comparison, Figures, PairedCounts, Share
from vision.promotion.rules import PromotionRules
from vision.right_answers import right_images
from vision.slice_properties import image_properties
from vision.slice_search import count_parts
from vision.task import Labels, Present, has_class, present_labels, task_of

RESAMPLES = 1000
SEED = 0  # of the resamples: the same evidence gives the same decision


@dataclass(frozen=True)
class Judged:
    """What two versions are compared on: labels (N,) or (N, K), and the manifest's rows in their order."""

    labels: Labels
    class_names: tuple[str, ...]
    table: pd.DataFrame


def judge_versions(
    candidate: Version, champion: Version | None, manifest: Manifest, rules: PromotionRules, *, folder: Path
) -> PromotionDecision:
    """The gate's decision on the manifest's test images, which are prepared below `folder`.

    DataError where there is none; BundleError where the memory of a version cannot be measured.
    """
    names = manifest.class_names
    test = Judged(label_test(manifest, names), names, select_test(manifest).table)
    now = answer_test(candidate.classifier, manifest, folder, names)
    figures = measure_candidate(now, test)
    if champion is None:
        return decide(figures, None, rules)
    was = answer_test(champion.classifier, manifest, folder, names)
    found = compare_answers(was, now, test, metrics=list(rules.metrics), version=champion.number)
    costs = measure_costs(candidate, champion, rules)
    return decide(figures, found.model_copy(update={"costs": costs}), rules)


def measure_candidate(now: Answered, test: Judged) -> Figures:
    """Every metric of the labels' task, and the accuracy of each slice."""
    labels, probabilities = test.labels, now.probabilities
    check_predictions(labels, probabilities)
    metrics = {
        name: measure(name, labels, probabilities, thresholds=now.thresholds) for name in metrics_of(labels)
    }
    names, members = _slices(test.table)
    counts = zip(names, members.sum(axis=0), (members & _right(now, labels)).sum(axis=0), strict=True)
    slices = (Share(name=name, images=int(images), right=int(right)) for name, images, right in counts)
    return Figures(images=len(labels), metrics=metrics, slices=tuple(slices))


def compare_answers(
    was: Answered, now: Answered, test: Judged, *, metrics: Sequence[str], version: int
) -> Comparison:
    """The candidate's answers against those of the champion; of `metrics` those that such labels have."""
    labels, classes = test.labels, len(test.class_names)
    before, after = _right(was, labels), _right(now, labels)
    differences = estimate_differences(
        labels,
        was.probabilities,
        now.probabilities,
        thresholds=(was.thresholds, now.thresholds),
        # Of an empty list all would be estimated, which takes seconds.
        metrics=[name for name in ("accuracy", *metrics) if name in metrics_of(labels)],
        resamples=RESAMPLES,
        seed=SEED,
    )
    (all_images,) = _count_pairs(("all images",), np.ones((len(labels), 1), bool), before, after)
    given = (_given(answered, labels) for answered in (was, now))
    return Comparison(
        version=version,
        all_images=all_images,
        metrics=differences,
        classes=_count_pairs(test.class_names, has_class(labels, classes), *given),
        slices=_count_pairs(*_slices(test.table), before, after),
    )


def _count_pairs(
    names: Sequence[str], members: Present, before: Present, after: Present
) -> tuple[PairedCounts, ...]:
    """Of parts that have images: members (N, S), and what is right of them, (N, S) or (N, 1)."""
    images, lost, gained = (
        counted.sum(axis=0) for counted in (members, members & before & ~after, members & after & ~before)
    )
    return tuple(
        PairedCounts(name=name, images=int(images[part]), lost=int(lost[part]), gained=int(gained[part]))
        for part, name in enumerate(names)
        if images[part]
    )


def _right(answered: Answered, labels: Labels) -> Present:
    """(N, 1): whether each image is wholly right."""
    return right_images(labels, answered.probabilities, thresholds=answered.thresholds)[:, None]


def _given(answered: Answered, labels: Labels) -> Present:
    """(N, K): whether each class was given."""
    probabilities = answered.probabilities
    if task_of(labels) == "multi_label":
        return present_labels(probabilities, answered.thresholds)
    return has_class(probabilities.argmax(axis=1), probabilities.shape[1])


def _slices(table: pd.DataFrame) -> tuple[tuple[str, ...], Present]:
    """Names (S,), and whether each image is in each slice (N, S); of labels none: classes have their rule."""
    parts = count_parts(image_properties(table), np.zeros(len(table), bool))
    singles = [parts.conditions[part] for part in parts.first[parts.is_single]]
    chosen = [column for column, condition in enumerate(singles) if condition[0] != "label"]
    members: Present = parts.members[:, parts.first[parts.is_single][chosen]].toarray() == 1
    return tuple(f"{column} {value}" for column, value in (singles[part] for part in chosen)), members
