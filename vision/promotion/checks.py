"""The gate's rules one by one: whether each holds, with its key, the figure and the limit in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from vision.intervals import MetricEstimate, wilson_interval
from vision.mcnemar import SIGNIFICANT
from vision.promotion.figures import Comparison, CostName, Figures, PairedCounts
from vision.promotion.rules import SMALLER_IS_BETTER, PromotionRules

Verdict = Literal["holds", "fails", "open"]
ROUNDING = 1e-9  # of subtracted shares: the margin itself is still within it
MOST_NAMED = 5


class Check(BaseModel):
    """One rule; `open` where the images are too few to tell."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rule: str
    verdict: Verdict
    words: str


def check_values(figures: Figures, rules: PromotionRules) -> Iterator[Check]:
    """What is asked of the candidate itself: of the figure as it was measured, whatever its interval."""
    yield _check_value(figures, "accuracy", "promote.min_accuracy", rules.min_accuracy)
    yield _check_value(figures, "ece", "promote.max_ece", rules.max_ece)
    for name, rule in rules.metrics.items():
        if rule.limit is not None:
            yield _check_value(figures, name, f"promote.metrics.{name}.limit", rule.limit)
    if rules.min_slice_accuracy:
        yield _check_slices(figures, rules.min_slice_accuracy)


def _check_value(figures: Figures, metric: str, key: str, limit: float) -> Check:
    value = figures.metrics.get(metric)
    if value is None:
        return _not_measured(key, f"{metric} is no metric of these test images")
    # Asked as `good` rather than `bad`, so that a figure that is not a number fails.
    is_small = metric in SMALLER_IS_BETTER
    holds = value <= limit if is_small else value >= limit
    asked = f"{'at most' if is_small else 'at least'} {limit:g}"
    return Check(rule=key, verdict=_verdict(holds), words=f"{metric} is {value:.4f}, {key} asks for {asked}")


def _check_slices(figures: Figures, limit: float) -> Check:
    """Fails where a slice's whole interval is below: of many small slices some always look bad."""
    key = "promote.min_slice_accuracy"
    low = [part for part in figures.slices if wilson_interval(part.right, part.images).high < limit]
    named = [f"{part.name}: {part.right} of {part.images} right" for part in low]
    found = _listed(named) or f"none of {len(figures.slices)} slices is shown to be below"
    return Check(rule=key, verdict=_verdict(not low), words=f"{found}; {key} asks for at least {limit:g}")


def check_changes(found: Comparison, rules: PromotionRules) -> Iterator[Check]:
    """What is asked of the candidate against the champion on the same images."""
    yield _check_accuracy(found, rules.max_accuracy_drop)
    for name, rule in rules.metrics.items():
        if rule.margin is not None:
            yield _check_metric(found, name, rule.margin)
    yield _check_classes(found.classes, rules)
    yield _check_parts(found.slices, rules.max_slice_drop, key="promote.max_slice_drop")
    limits: dict[CostName, float | None] = {
        "latency": rules.max_latency_ratio,
        "size": rules.max_size_ratio,
        "memory": rules.max_memory_ratio,
    }
    for cost, limit in limits.items():
        if limit is not None:
            yield _check_cost(found, cost, limit)


def _check_accuracy(found: Comparison, points: float) -> Check:
    key, counts = "promote.max_accuracy_drop", found.all_images
    change = counts.estimate
    verdict = within(change, points / 100)
    words = (
        f"accuracy is {100 * change.value:+.2f} points against champion version {found.version} on the same"
        f" {counts.images:,} images (95 % interval {100 * change.low:+.2f} to {100 * change.high:+.2f};"
        f" {counts.lost} lost, {counts.gained} gained, McNemar p = {counts.p_value:.2g}), {key} allows a drop"
        f" of {points:g}"
    )
    needed = counts.images_needed(points / 100) if verdict == "open" else None
    more = f"; about {needed:,} test images would tell" if needed else ""
    return Check(rule=key, verdict=verdict, words=words + more)


def _check_metric(found: Comparison, metric: str, margin: float) -> Check:
    key = f"promote.metrics.{metric}.margin"
    change = found.metrics.get(metric)
    if change is None:
        return _not_measured(key, f"{metric} is no metric of these test images")
    gain = MetricEstimate(value=-change.value, low=-change.high, high=-change.low)
    words = (
        f"{metric} is {change.value:+.4f} against champion version {found.version} (95 % interval"
        f" {change.low:+.4f} to {change.high:+.4f}), {key} allows {margin:g} for the worse"
    )
    return Check(
        rule=key, verdict=within(gain if metric in SMALLER_IS_BETTER else change, margin), words=words
    )


def within(gain: MetricEstimate, margin: float) -> Verdict:
    """Whether a gain (more is better) is shown to be at least -margin, shown to be below, or neither."""
    if gain.low >= -margin - ROUNDING:
        return "holds"
    return "fails" if not gain.high >= -margin - ROUNDING else "open"


def _check_classes(classes: Sequence[PairedCounts], rules: PromotionRules) -> Check:
    unknown = sorted(set(rules.class_margins) - {found.name for found in classes})
    if unknown:
        why = f"no test image has the class {', '.join(unknown)} that it names"
        return _not_measured("promote.class_margins", why)
    key, own = "promote.max_recall_drop", rules.class_margins
    return _check_parts(classes, rules.max_recall_drop, key=key, own=own)


def _check_parts(
    parts: Sequence[PairedCounts], points: float, *, key: str, own: Mapping[str, float] = MappingProxyType({})
) -> Check:
    """Fails where a part dropped by more than its margin, and the drop is no luck.

    Luck is judged by McNemar's exact test, corrected for the number of parts by Holm (1979): of parts of
    which none is truly worse, one is named with probability 0.05 at most.
    """
    from vision.slice_search import holm  # it imports pandas

    values = holm(np.array([part.p_value for part in parts])) if parts else ()
    judged = sorted(zip(parts, values, strict=True), key=lambda pair: pair[0].change)
    dropped = [
        (part, value)
        for part, value in judged
        if -part.change > own.get(part.name, points) / 100 + ROUNDING and value < SIGNIFICANT
    ]
    if dropped:
        named = [
            f"{_part(part, value)}, {'promote.class_margins' if part.name in own else key} allows"
            f" {own.get(part.name, points):g}"
            for part, value in dropped
        ]
        return Check(rule=key, verdict="fails", words=_listed(named))
    most = f"; the largest drop: {_part(*judged[0])}" if judged and judged[0][0].change < 0 else ""
    words = f"none of {len(parts)} is shown to drop by more than {key} allows{most}"
    return Check(rule=key, verdict="holds", words=words)


def _part(part: PairedCounts, value: float) -> str:
    return (
        f"{part.name} {100 * part.change:+.1f} points ({part.images} images, {part.lost} lost, {part.gained}"
        f" gained, p = {value:.2g} after Holm)"
    )


def _check_cost(found: Comparison, cost: CostName, ratio: float) -> Check:
    key, measured = f"promote.max_{cost}_ratio", found.costs.get(cost)
    if measured is None:
        return _not_measured(key, f"{cost} was not measured")
    words = (
        f"{cost} is {measured.candidate:.4g} {measured.unit}, the champion's {measured.champion:.4g}"
        f" {measured.unit}, {key} allows {ratio:g} times as much"
    )
    return Check(rule=key, verdict=_verdict(measured.candidate <= ratio * measured.champion), words=words)


def _not_measured(key: str, why: str) -> Check:
    return Check(rule=key, verdict="fails", words=f"{why}: change or remove {key}")


def _verdict(holds: bool) -> Verdict:
    return "holds" if holds else "fails"


def _listed(named: Sequence[str]) -> str:
    more = len(named) - MOST_NAMED
    return "; ".join([*named[:MOST_NAMED], *([f"and {more} more"] if more > 0 else [])])
