"""What the evaluation of 10,000 images costs beside passing them through the model once, taking turns."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from statistics import median

import pandas as pd

from benchmarks.champions import kept_champion
from benchmarks.record import table, write_section
from vision.calibration import calibrate_classifier
from vision.classifier import ImageClassifier
from vision.evaluation import evaluate_logits
from vision.inspection.properties import measure_images
from vision.manifest import MEASURED
from vision.prepared import PreparedImages
from vision.right_answers import right_images
from vision.slices import evaluate_slices
from vision.uncertainty.evaluation import evaluate_uncertainty

NAME = "cifar10-fast"
ROUNDS = 5


def main() -> None:
    champion, prepared = kept_champion(NAME)
    classifier = calibrate_classifier(champion, prepared.labelled("validation"))
    images, rows = prepared.images("test"), _rows(prepared)

    def forward() -> None:
        classifier.logits(images)

    def whole() -> None:
        _evaluate(classifier, prepared, rows)

    forward()
    before = _peak()
    whole()  # once to warm up: scikit-learn and SciPy are imported
    memory = _peak() - before
    times = [(_seconds(forward), _seconds(whole)) for _ in range(ROUNDS)]
    bare, evaluated = (median(column) for column in zip(*times, strict=True))
    ratio = median(second / first for first, second in times)
    row = (
        f"{len(images):,}", f"{bare:.2f}", f"{evaluated:.2f}", f"**{ratio:.2f}**",
        f"{before / 2**20:,.0f}", f"{memory / 2**20:,.0f}",
    )  # fmt: skip
    head = (
        "images", "forward pass, s", "with all of the evaluation, s", "ratio, median of 5",
        "memory of the forward pass, MiB", "more for the evaluation, MiB",
    )  # fmt: skip
    write_section("evaluating", table(head, [row]))


def _evaluate(classifier: ImageClassifier, prepared: PreparedImages, rows: pd.DataFrame) -> None:
    """Metrics with 300 resamples each, curves, slices, doubt; no report and no pictures."""
    logits, labels = classifier.logits(prepared.images("test")), prepared.labels("test")
    evaluate_logits(classifier, logits, labels)
    is_right = right_images(labels, classifier.to_probabilities(logits))
    evaluate_slices(is_right, rows)
    evaluate_uncertainty(classifier, logits, labels)


def _rows(prepared: PreparedImages) -> pd.DataFrame:
    """The test images' rows of the manifest, as far as the slices look at them."""
    measured = measure_images(prepared.images("test"))[list(MEASURED)]
    names = [prepared.class_names[label] for label in prepared.labels("test")]
    height, width = prepared.preprocessing.image_size
    alike = {"width": width, "height": height, "group": "", "format": "JPEG", "mode": "RGB"}
    return measured.assign(path=prepared.paths("test"), label=names, **alike)


def _peak() -> int:
    """Most bytes that the process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
