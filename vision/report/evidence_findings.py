"""What the evidence beside the evaluation says, in sentences: where it fails, its doubt, what has changed."""

from __future__ import annotations

from vision.compression.table import CompressionTable
from vision.cross_validation.scores import CrossValidation
from vision.paired import PairedComparison
from vision.report.wording import NARROW_SPACE, likely, percent, points, precision_in_words, signed
from vision.robustness import DisturbedScore, Robustness
from vision.slices import Slice
from vision.uncertainty.evaluation import SetScores, UncertaintyEvaluation


def describe_slice(part: Slice) -> str:
    """Which images, how often right there, and how often elsewhere."""
    return (
        f"Worse where {conditions(part)}: right for {percent(part.accuracy.value)}"
        f" ({likely(part.accuracy)}) of {part.images:,} images, for {percent(part.rest)} of all others."
    )


def conditions(part: Slice) -> str:
    """ "source is “lab b” and brightness is “darkest quarter”"."""
    return " and ".join(f"{column.replace('_', ' ')} is “{value}”" for column, value in part.conditions)


def most_harmful(robustness: Robustness) -> DisturbedScore | None:
    """The disturbance and strength of the lowest accuracy; None where nothing harms."""
    lowest = min(robustness.scores, key=lambda score: score.accuracy.value, default=None)
    return lowest if lowest and lowest.accuracy.value < robustness.clean.value else None


def describe_robustness(robustness: Robustness) -> str:
    """What harms most of all that was tried."""
    tried = len({score.disturbance for score in robustness.scores})
    if not tried:
        return ""
    score = most_harmful(robustness)
    if score is None:
        return f"None of the {tried} ways in which its images were made worse cost it an answer."
    return (
        f"Of {tried} ways to make its images worse, {score.disturbance.replace('_', ' ')} harms most: at"
        f" {score.strength} it is right for {percent(score.accuracy.value)} ({likely(score.accuracy)}), for"
        f" {percent(robustness.clean.value)} of the same {robustness.images:,} images undisturbed."
    )


def describe_folds(validation: CrossValidation) -> str:
    """How much the accuracy depends on what was held out."""
    accuracy = validation.scores.get("accuracy")
    if accuracy is None:
        return ""
    low, high = percent(min(accuracy.values)), percent(max(accuracy.values))
    return (
        f"Trained {validation.folds} times, each time without other images, it was right for {low} to {high}"
        f" of those, on average for {percent(accuracy.mean)}."
    )


def describe_label_issues(validation: CrossValidation) -> str:
    """How many labels are doubtful."""
    doubted = validation.label_issues
    if not doubted:
        return ""
    verb = "has a label that may be" if doubted == 1 else "have labels that may be"
    return f"Of {validation.images:,} images {doubted:,} {verb} wrong: look at them first."


def describe_automation(uncertainty: UncertaintyEvaluation) -> str:
    """What it answers by itself, and whether the promised share of errors was kept; "" without a promise."""
    if uncertainty.target_error >= 1:
        return ""
    target = f"{100 * uncertainty.target_error:g}{NARROW_SPACE}% error"
    share = uncertainty.automated.value
    if share == 0:
        return f"It is never sure enough to promise at most {target}: a person looks at every image."
    if share == 1:
        told = f"At {target} the model answers all images by itself."
    else:
        told = (
            f"At {target} the model answers {percent(share, 0)} of images by itself; a person looks at"
            " the rest."
        )
    return f"{told} {_kept(uncertainty)}"


def _kept(uncertainty: UncertaintyEvaluation) -> str:
    error, wrong = uncertainty.error, f"It was wrong in {percent(uncertainty.error.value)} of those"
    if error.value <= uncertainty.target_error:
        return f"{wrong}."
    surely = "more than promised" if error.low > uncertainty.target_error else "which may be chance"
    return f"{wrong}, {surely} ({likely(error)})."


def describe_sets(sets: SetScores) -> str:
    """What it says where one answer is not enough."""
    return (
        f"Asked for as many answers as it takes to be {percent(sets.promised, 0)} sure, it gives"
        f" {sets.mean_size:.2g} on average, and the right one was among them for"
        f" {percent(sets.coverage.value)} of images{_verdict_in_words(sets)}."
    )


def _verdict_in_words(sets: SetScores) -> str:
    return f": {promise(sets)}" if sets.coverage.high < sets.promised else ""


def promise(sets: SetScores) -> str:
    """Whether the coverage is what was promised, as far as the number of images can tell."""
    if sets.coverage.high < sets.promised:
        return "less than promised"
    return "more than promised" if sets.coverage.low > sets.promised else "as promised"


def describe_change(comparison: PairedComparison) -> str:
    """What the change from one model to the other did, without statistics."""
    gained, lost = comparison.only_after_right, comparison.only_before_right
    before, after = (percent((comparison.both_right + only) / comparison.images) for only in (lost, gained))
    if not gained and not lost:
        return f"Like {comparison.before}: right and wrong for the same of {comparison.images:,} images."
    told = (
        f"right for {after} of the same {comparison.images:,} images instead of {before};"
        f" {gained:,} that were wrong are right now, {lost:,} that were right are wrong"
    )
    if comparison.verdict == "too few images to tell":
        return f"Better or worse than {comparison.before}? Too few images to tell: {told}."
    return f"It is {comparison.verdict} than {comparison.before}: {told}."


def least_covered(sets: SetScores, limit: int) -> tuple[tuple[str, float], ...]:
    """The classes whose images are least often covered, below the promise, lowest first."""
    below = [(name, share) for name, share in sets.per_class.items() if share < sets.promised]
    return tuple(sorted(below, key=lambda item: item[1])[:limit])


def difference(comparison: PairedComparison, metric: str, *, is_share: bool) -> tuple[str, str]:
    """After minus before and its interval, in percentage points or in the metric's own unit."""
    estimate = comparison.differences[metric]
    shown = points if is_share else signed
    unit = " points" if is_share else ""
    return f"{shown(estimate.value)}{unit}", f"{shown(estimate.low)} to {shown(estimate.high)}"


def describe_choice(table: CompressionTable) -> str:
    """What serves in place of the trained network, what that gains, and why where it gains nothing."""
    choice = _describe_gain(table)
    if table.is_small_enough(table.chosen):
        return choice
    return f"{choice} Nothing that keeps its accuracy has {table.max_megabytes:g} MB or less."


def _describe_gain(table: CompressionTable) -> str:
    before, after = table.rows[0], table.chosen
    if not table.is_compressed:
        return (
            f"Nothing smaller was faster and within {table.max_accuracy_drop} points of the trained network's"
            " accuracy, by the upper end of the interval on validation images: it serves as is, in float32."
        )
    network, lost = after.title or "The trained network", after.accuracy_drop_points
    bound = "at most" if lost >= 0 else "and lost at most"
    changed = f"{'lost' if lost >= 0 else 'gained'} {abs(lost):.2f} points of accuracy, {bound}"
    smaller = before.size_bytes / after.size_bytes
    size = "about as large" if 0.95 < smaller < 1.05 else f"{smaller:.3g} times as small"
    return (
        f"{network[0].upper()}{network[1:]} in {precision_in_words(after.precision)} serves:"
        f" {before.latency_ms / after.latency_ms:.3g} times as fast for one image as Keras and"
        f" {size}; on validation images it {changed} {after.highest_drop_points:.2f}."
    )
