"""The fastest within the budget serves; what may have lost more than the budget does not."""

import time
from dataclasses import replace

import numpy as np
import pytest

from vision.classifier import ImageClassifier
from vision.compression import choose
from vision.compression.candidate import TRAINED, Candidate, Failure, Place
from vision.compression.choose import choose_fastest
from vision.compression.conversions import Conversion
from vision.compression.table import CompressionTable, Measurement
from vision.errors import ConfigError
from vision.intervals import MetricEstimate
from vision.prepared import LabelledImages
from vision.preprocessing import Preprocessing
from vision.report.evidence_findings import describe_choice

CLASSES = ("a", "b", "c")
LABELS = np.arange(20) % 3
IMAGES = np.zeros((20, 4, 4, 3), np.uint8)
VALIDATION = LabelledImages(IMAGES, LABELS)


class FixedRuntime:
    """Answers what it is told, as slowly as it is told."""

    def __init__(self, name, precision, answers, milliseconds):
        self.name, self.precision = name, precision
        self._logits = np.eye(3, dtype=np.float32)[answers]
        self.milliseconds, self.megabytes = milliseconds, 0

    def logits(self, images):
        time.sleep(self.milliseconds / 1000)
        return self._logits[: len(images)]

    def save(self, folder):
        (folder / "model").write_bytes(b"1234" + bytes(self.megabytes * 1_000_000))


def classifier_of(name="litert", precision="float32", *, answers=LABELS, milliseconds=1.0):
    runtime = FixedRuntime(name, precision, answers, milliseconds)
    return ImageClassifier(runtime, Preprocessing(image_size=(4, 4)), CLASSES)


ORIGINAL = classifier_of("keras", milliseconds=3)


def candidate(precision, *, lost=0.0, at_most=0.0, milliseconds=1.0, pruned=0.0):
    """Lost points, and at most so many."""
    return Candidate(
        Place(TRAINED, pruned, Conversion("litert", precision)),
        classifier_of(precision=precision, milliseconds=milliseconds),
        ORIGINAL,
        accuracy=1 - lost / 100,
        gain=MetricEstimate(value=-lost / 100, low=-at_most / 100, high=0),
        slowness=1,
    )


SAFE = candidate("float32", milliseconds=2)


@pytest.mark.parametrize(("budget", "expected"), [(5.0, "int8"), (4.9, "float32")])
def test_the_upper_end_of_the_interval_is_what_counts(budget, expected):
    tried = [SAFE, candidate("int8", lost=1, at_most=5, milliseconds=0)]
    chosen, table = choose_fastest(ORIGINAL, tried, VALIDATION, max_accuracy_drop=budget)
    assert chosen.classifier.runtime.precision == table.chosen.precision == expected
    assert table.is_compressed == (expected == "int8")
    assert [row.size_bytes for row in table.rows] == [4, 4, 4]


def test_the_trained_network_in_float32_is_always_within_the_budget():
    noisy = replace(SAFE, gain=MetricEstimate(value=0, low=-0.1, high=0))
    chosen, _ = choose_fastest(ORIGINAL, [noisy], VALIDATION, max_accuracy_drop=0)
    assert chosen is noisy


def test_a_pruned_network_in_float32_is_not():
    tried = [SAFE, candidate("float32", lost=9, at_most=12, milliseconds=0, pruned=0.5)]
    chosen, table = choose_fastest(ORIGINAL, tried, VALIDATION, max_accuracy_drop=1)
    assert chosen is SAFE
    assert [row.is_within_budget for row in table.rows] == [True, True, False]
    assert [row.title for row in table.rows] == ["", "", "50% pruned"]


@pytest.fixture
def told_latencies(monkeypatch):
    """As they are told, not as they come out on this machine now."""
    monkeypatch.setattr(
        choose,
        "paired_latency_ms",
        lambda classifiers, images: [made.runtime.milliseconds for made in classifiers],
    )


def test_the_fastest_that_is_small_enough_serves(told_latencies):
    large, small = candidate("int8", milliseconds=0), candidate("bfloat16", milliseconds=1)
    large.classifier.runtime.megabytes = 2
    tried = [SAFE, large, small]
    for bound, expected in ((None, large), (2.1, large), (1.9, small)):
        chosen, table = choose_fastest(ORIGINAL, tried, VALIDATION, max_accuracy_drop=1, max_megabytes=bound)
        assert chosen is expected
        assert [row.is_chosen for row in table.rows].count(True) == 1
        assert table.is_small_enough(table.chosen)


def test_where_nothing_is_small_enough_the_smallest_that_keeps_its_accuracy_serves(told_latencies):
    inaccurate = candidate("int8", lost=9, at_most=12, milliseconds=0)
    large, larger = candidate("bfloat16", milliseconds=2), candidate("float32", milliseconds=1)
    large.classifier.runtime.megabytes, larger.classifier.runtime.megabytes = 2, 3
    chosen, table = choose_fastest(
        ORIGINAL, [larger, large, inaccurate], VALIDATION, max_accuracy_drop=1, max_megabytes=1
    )
    assert chosen is large
    assert not table.is_small_enough(table.chosen)
    assert "has 1 MB or less" in describe_choice(table)


def test_what_failed_is_recorded():
    failure = Failure(Place("fast", 0.5, Conversion("openvino", "int8")), "ValueError: no kernel")
    _, table = choose_fastest(ORIGINAL, [SAFE, failure], VALIDATION, max_accuracy_drop=1)
    assert table.rows[-1].failure == "ValueError: no kernel"
    assert table.rows[-1].title == "fast, 50% pruned"
    assert not table.rows[-1].is_within_budget and table.rows[-1] not in table.front


def test_the_parent_is_known():
    _, table = choose_fastest(ORIGINAL, [SAFE], VALIDATION, max_accuracy_drop=1)
    assert table.parent == ORIGINAL.digest


def test_accuracy_of_labels_is_that_of_whole_images():
    """Each image is given one label; one of the twenty has two more."""
    has = np.eye(3, dtype=int)[LABELS]
    has[0] = 1
    # Logits are 1 and 0, so probabilities 0.73 and 0.5: the thresholds tell them apart.
    several = replace(ORIGINAL, task="multi_label").with_thresholds((0.6,) * 3)
    _, table = choose_fastest(several, [SAFE], LabelledImages(IMAGES, has), max_accuracy_drop=0)
    assert table.rows[0].accuracy == 0.95


def row(latency_ms, accuracy, **rest):
    return Measurement(
        runtime="litert",
        precision="int8",
        accuracy=accuracy,
        latency_ms=latency_ms,
        is_within_budget=True,
        **rest,
    )


def test_the_front_holds_what_nothing_beats():
    slow, fast, beaten, twin = row(3, 0.9), row(1, 0.8), row(3, 0.85), row(1, 0.8)
    table = CompressionTable(rows=(slow, fast, beaten, twin), max_accuracy_drop=1)
    assert table.front == (fast, twin, slow)


def test_nothing_left_says_what_failed():
    failure = Failure(Place(TRAINED, 0.0, Conversion("litert", "float32")), "ValueError: no kernel")
    with pytest.raises(ConfigError, match=r"litert float32: ValueError: no kernel.*config\.compress"):
        choose_fastest(ORIGINAL, [failure], VALIDATION, max_accuracy_drop=1)
