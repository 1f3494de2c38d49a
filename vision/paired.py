"""Two models on the same images: which is better, how sure that is, and which images changed sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from vision.errors import DataError
from vision.intervals import MetricEstimate, estimate_differences
from vision.mcnemar import SIGNIFICANT, images_needed, mcnemar
from vision.metrics import check_predictions
from vision.right_answers import IsRight, right_images
from vision.task import Labels, Present, Probabilities, has_class, present_labels, task_of

Verdict = Literal["better", "worse", "too few images to tell"]
MOST_FLIPS = 200  # of the surest: a person looks at tens, and a report holds them all


class Flip(BaseModel):
    """An image that one of the two has right; `row` is its place among the images."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    row: int
    true: tuple[str, ...]
    before: tuple[str, ...]
    after: tuple[str, ...]


class PairedComparison(BaseModel):
    """`after` against `before`. Differences are after minus before, with their 95 % intervals.

    `verdict` is of accuracy, by McNemar's exact test; `images_needed` to tell a difference of the size
    that was seen, None where none was seen or where it has been told. `flips` are the surest first: by the
    confidence of the model that is less sure of its answer.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    before: str
    after: str
    images: int
    both_right: int
    differences: dict[str, MetricEstimate]  # metric -> after minus before
    only_before_right: int
    only_after_right: int
    p_value: float
    verdict: Verdict
    images_needed: int | None
    flips: tuple[Flip, ...]


def compare_models(
    labels: Labels,
    before: Probabilities,
    after: Probabilities,
    class_names: Sequence[str],
    *,
    names: tuple[str, str] = ("before", "after"),
    thresholds: tuple[tuple[float, ...], tuple[float, ...]] = ((), ()),
    resamples: int = 300,
    seed: int = 0,
) -> PairedComparison:
    """The probabilities of two models, both (N, K), compared by labels (N,), 0..K-1, or (N, K), 0 or 1.

    Thresholds, of labels (N, K) only: of either model one a label, or none for 0.5 each. DataError where
    these do not fit each other.
    """
    was, now = (
        _judge(labels, scores, class_names, limits)
        for scores, limits in zip((before, after), thresholds, strict=True)
    )
    lost, gained = (int(changed.sum()) for changed in (was.right & ~now.right, now.right & ~was.right))
    p_value = mcnemar(lost, gained)
    is_told = p_value < SIGNIFICANT
    return PairedComparison(
        before=names[0],
        after=names[1],
        images=len(labels),
        both_right=int((was.right & now.right).sum()),
        differences=estimate_differences(
            labels, before, after, thresholds=thresholds, resamples=resamples, seed=seed
        ),
        only_before_right=lost,
        only_after_right=gained,
        p_value=p_value,
        verdict=("better" if gained > lost else "worse") if is_told else "too few images to tell",
        images_needed=None if is_told else images_needed(lost, gained, len(labels)),
        flips=_flips(has_class(labels, len(class_names)), was, now, class_names),
    )


@dataclass(frozen=True)
class _Answered:
    """What one model gave: the classes (N, K), whether all are right and how sure it was, (N,)."""

    given: Present
    right: IsRight
    sureness: NDArray[np.floating[Any]]


def _judge(
    labels: Labels, probabilities: Probabilities, class_names: Sequence[str], limits: tuple[float, ...]
) -> _Answered:
    """Sureness is the top probability; of several labels, how far the nearest is from its threshold."""
    check_predictions(labels, probabilities)
    classes = probabilities.shape[1]
    if len(class_names) != classes or len(limits) not in (0, classes):
        raise DataError(
            f"{len(class_names)} class names and {len(limits)} thresholds do not fit probabilities of"
            f" {classes} classes: allowed are {classes} names, and {classes} thresholds or none"
        )
    right = right_images(labels, probabilities, thresholds=limits)
    if task_of(labels) == "multi_label":
        given = present_labels(probabilities, limits)
        return _Answered(given, right, np.abs(probabilities - np.array(limits or (0.5,))).min(axis=1))
    return _Answered(has_class(probabilities.argmax(axis=1), classes), right, probabilities.max(axis=1))


def _flips(has: Present, was: _Answered, now: _Answered, class_names: Sequence[str]) -> tuple[Flip, ...]:
    rows = np.flatnonzero(was.right != now.right)
    sureness = np.minimum(was.sureness, now.sureness)[rows]
    chosen = rows[np.argsort(-sureness, kind="stable")[:MOST_FLIPS]]
    names = np.array(class_names, dtype=object)
    return tuple(
        Flip(
            row=int(row),
            true=tuple(names[has[row]]),
            before=tuple(names[was.given[row]]),
            after=tuple(names[now.given[row]]),
        )
        for row in chosen
    )


def in_words(comparison: PairedComparison) -> str:
    """Two or three sentences for a person who must decide."""
    lost, gained = comparison.only_before_right, comparison.only_after_right
    changes = f"{_images(gained)} changed from wrong to right, {lost:,} from right to wrong."
    if comparison.verdict != "too few images to tell":
        return f"{comparison.after} is {comparison.verdict}: it {_shares(comparison)}. {changes}"
    said = f"Too few images to tell: {comparison.after} {_shares(comparison)}. {changes}"
    if comparison.images_needed is None:
        return said
    needed = _rounded_up(comparison.images_needed)
    return f"{said} To tell a difference of this size, about {needed:,} images would be needed."


def _shares(comparison: PairedComparison) -> str:
    images, both = comparison.images, comparison.both_right
    after, before = both + comparison.only_after_right, both + comparison.only_before_right
    chance = "< 0.001" if comparison.p_value < 0.001 else f"= {comparison.p_value:.2g}"
    return (
        f"is right on {after:,} of the same {_images(images)} ({_percent(after / images)}),"
        f" {comparison.before} on {before:,} ({_percent(before / images)}); McNemar p {chance}"
    )


def _rounded_up(number: int) -> int:
    """To two figures: more would promise more than a forecast can."""
    step: int = 10 ** max(0, len(str(number)) - 2)
    return -(-number // step) * step


def _percent(share: float) -> str:
    return f"{100 * share:.1f}\u202f%"  # a narrow space, as in the whole report


def _images(number: int) -> str:
    return f"{number:,} image" if number == 1 else f"{number:,} images"
