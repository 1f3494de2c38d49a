"""Which candidate serves: the fastest whose loss of validation accuracy stays within the budget."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vision.classifier import ImageClassifier
from vision.compression.candidate import Candidate, Failure, Place
from vision.compression.latency import paired_latency_ms
from vision.compression.table import CompressionTable, Measurement
from vision.errors import ConfigError
from vision.metrics import measure
from vision.prepared import LabelledImages

# Accuracies are shares of a count: a drop of exactly the budget must not fail by a rounding error.
ROUNDING = 1e-9


def choose_fastest(
    original: ImageClassifier,
    tried: Sequence[Candidate | Failure],
    validation: LabelledImages,
    *,
    max_accuracy_drop: float,
) -> tuple[Candidate, CompressionTable]:
    """The fastest candidate within the budget, and the table of all; times are measured here once more.

    The trained network in float32 is always within it: it is the original on another runtime. All others may
    lose `max_accuracy_drop` percentage points, judged by the upper end of the interval.
    """
    made = [outcome for outcome in tried if isinstance(outcome, Candidate)]
    first = _original_row(original, validation)
    latencies = paired_latency_ms(
        [original, *(candidate.classifier for candidate in made)], validation.images[:1]
    )
    rows = [_row(candidate, budget=max_accuracy_drop) for candidate in made]
    rows = [
        row.model_copy(update={"latency_ms": latency})
        for row, latency in zip((first, *rows), latencies, strict=True)
    ]
    allowed = [place for place, row in enumerate(rows) if row.is_within_budget and place]
    if not allowed:
        raise ConfigError(_nothing_left(tried))
    best = min(allowed, key=lambda place: rows[place].latency_ms)
    rows[best] = rows[best].model_copy(update={"is_chosen": True})
    failures = [
        _at(outcome.place, failure=outcome.reason) for outcome in tried if isinstance(outcome, Failure)
    ]
    table = CompressionTable(
        rows=(*rows, *failures), max_accuracy_drop=max_accuracy_drop, parent=original.digest
    )
    return made[best - 1], table


def _nothing_left(tried: Sequence[Candidate | Failure]) -> str:
    reasons = "; ".join(f"{out.place}: {out.reason}" for out in tried if isinstance(out, Failure))
    return (
        "the trained network could not be converted to float32 on any runtime that serves, and nothing else"
        f" loses little enough accuracy ({reasons or 'config.compress.precisions lacks float32'}); allow more"
        " config.compress.runtimes and precisions, or set another config.model.name"
    )


def _original_row(original: ImageClassifier, validation: LabelledImages) -> Measurement:
    probabilities = original.predict(validation.images)
    return Measurement(
        runtime=original.runtime.name,
        precision=original.runtime.precision,
        accuracy=measure("accuracy", validation.labels, probabilities, thresholds=original.thresholds),
        size_bytes=original.size_bytes,
        is_within_budget=True,
    )


def _row(candidate: Candidate, *, budget: float) -> Measurement:
    is_original = candidate.place.is_trained_network and candidate.classifier.runtime.precision == "float32"
    return _at(
        candidate.place,
        accuracy=candidate.accuracy,
        accuracy_drop_points=candidate.drop_points,
        highest_drop_points=candidate.highest_drop_points,
        size_bytes=candidate.classifier.size_bytes,
        is_within_budget=is_original or candidate.highest_drop_points <= budget + ROUNDING,
    )


def _at(place: Place, **figures: Any) -> Measurement:
    student, pruned, (runtime, precision) = place
    return Measurement(runtime=runtime, precision=precision, student=student, pruned=pruned, **figures)
