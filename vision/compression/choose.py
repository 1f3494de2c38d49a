"""Which candidate serves: the fastest that is small enough and keeps its validation accuracy."""

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
    max_megabytes: float | None = None,
) -> tuple[Candidate, CompressionTable]:
    """The fastest candidate within the budget, and the table of all; times are measured here once more.

    The trained network in float32 is always within it: it is the original on another runtime. All others may
    lose `max_accuracy_drop` percentage points, judged by the upper end of the interval. Of those within it
    the fastest that has at most `max_megabytes` (10^6 bytes) is chosen, or the smallest where none has.
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
    failures = [
        _at(outcome.place, failure=outcome.reason) for outcome in tried if isinstance(outcome, Failure)
    ]
    table = CompressionTable(
        rows=(*rows, *failures),
        max_accuracy_drop=max_accuracy_drop,
        max_megabytes=max_megabytes,
        parent=original.digest,
    )
    accurate = [row for row in table.rows[1:] if row.is_within_budget]
    if not accurate:
        raise ConfigError(_nothing_left(tried))
    best = _best(accurate, table)
    return made[table.rows.index(best) - 1], table.choosing(best)


def _best(accurate: Sequence[Measurement], table: CompressionTable) -> Measurement:
    small = [row for row in accurate if table.is_small_enough(row)]
    if small:
        return min(small, key=lambda row: row.latency_ms)
    return min(accurate, key=lambda row: row.size_bytes)


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
