"""What the gate is told of two versions: counted by hand, of either task, and of degenerate images."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from vision.classifier import ImageClassifier
from vision.comparison import Answered
from vision.errors import BundleError, DataError
from vision.golden import write_golden
from vision.preprocessing import Preprocessing
from vision.promotion import costs
from vision.promotion.costs import Version, measure_costs, resident_megabytes
from vision.promotion.figures import PairedCounts, Share
from vision.promotion.measuring import Judged, compare_answers, measure_candidate
from vision.promotion.rules import PromotionRules

NAMES = ("cat", "dog", "eel")  # no image is of an eel
# 40 cats as PNG, 40 dogs as JPEG.
LABELS = np.repeat([0, 1], 40)
TABLE = pd.DataFrame(
    {
        "path": [f"{number:02d}" for number in range(80)],
        "label": np.repeat(["cat", "dog"], 40),
        "group": "",
        "format": np.repeat(["PNG", "JPEG"], 40),
        "mode": "RGB",
        "width": 8,
        "height": 8,
    }
)
TEST = Judged(LABELS, NAMES, TABLE)


def answered(labels: np.ndarray, wrong: range) -> Answered:
    """All right but those rows, which are taken for eels."""
    answers = labels.copy()
    answers[list(wrong)] = 2
    return Answered((0.1 + 0.7 * np.eye(3)[answers]).astype(np.float32))


def test_compare_answers_counts_images_classes_and_slices() -> None:
    """The champion has cats 0..9 wrong, the candidate cats 5..29: 20 are lost, 5 are gained."""
    found = compare_answers(
        answered(LABELS, range(10)), answered(LABELS, range(5, 30)), TEST, metrics=["macro_recall"], version=7
    )
    assert found.version == 7
    assert found.all_images == PairedCounts(name="all images", images=80, lost=20, gained=5)
    cats, dogs = ({"images": 40, "lost": lost, "gained": gained} for lost, gained in ((20, 5), (0, 0)))
    assert found.classes == (PairedCounts(name="cat", **cats), PairedCounts(name="dog", **dogs))
    assert set(found.slices) == {
        PairedCounts(name="format PNG", **cats),
        PairedCounts(name="format JPEG", **dogs),
    }
    recall = found.metrics["macro_recall"]  # of cats, dogs and eels, which were answered: (15 - 30) / 40 / 3
    assert recall.value == pytest.approx(-15 / 40 / 3)
    assert recall.low < recall.value < recall.high < 0


def test_measure_candidate_has_metrics_and_slices() -> None:
    measured = measure_candidate(answered(LABELS, range(5, 30)), TEST)
    assert measured.images == 80
    assert measured.metrics["accuracy"] == pytest.approx(55 / 80)
    assert measured.metrics["macro_recall"] == pytest.approx((15 / 40 + 1 + 0) / 3)
    assert set(measured.slices) == {
        Share(name="format PNG", images=40, right=15),
        Share(name="format JPEG", images=40, right=40),
    }


def test_compare_answers_of_several_labels_counts_each_label() -> None:
    """Every image has cat, half have dog. The candidate's threshold hides the cats of the first 10 images."""
    labels = np.stack([np.ones(80), np.repeat([1, 0], 40), np.zeros(80)], axis=1).astype(np.int64)
    probabilities = np.where(labels == 1, 0.8, 0.1).astype(np.float32)
    probabilities[:10, 0] = 0.6
    test = Judged(labels, NAMES, TABLE.assign(label=np.repeat(["cat|dog", "cat"], 40)))
    was, now = Answered(probabilities), Answered(probabilities, thresholds=(0.7, 0.5, 0.5))
    found = compare_answers(was, now, test, metrics=["micro_f1", "top_5_accuracy"], version=1)
    assert (found.all_images.lost, found.all_images.gained) == (10, 0)
    assert found.classes == (
        PairedCounts(name="cat", images=80, lost=10, gained=0),
        PairedCounts(name="dog", images=40, lost=0, gained=0),
    )
    assert set(found.metrics) == {"accuracy", "micro_f1"}  # the other is no metric of several labels
    assert found.metrics["micro_f1"].value == pytest.approx(2 * 110 / (120 + 110) - 1)


def test_one_image_is_measured() -> None:
    test = Judged(LABELS[:1], NAMES, TABLE[:1])
    same = answered(LABELS[:1], range(0))
    found = compare_answers(same, same, test, metrics=[], version=1)
    assert found.slices == measure_candidate(same, test).slices == ()
    interval = found.all_images.estimate  # 1.96 / 3
    assert (interval.low, interval.high) == pytest.approx((-0.653, 0.653), abs=1e-3)


def test_no_image_is_refused() -> None:
    with pytest.raises(DataError, match="N of at least 1"):
        measure_candidate(answered(LABELS[:0], range(0)), Judged(LABELS[:0], NAMES, TABLE[:0]))


def test_probabilities_that_are_no_numbers_are_refused() -> None:
    spoilt = answered(LABELS, range(0))
    spoilt.probabilities[3] = np.nan
    with pytest.raises(DataError, match="image 3 are not finite"):
        measure_candidate(spoilt, TEST)


class Sleepy:
    """Answers images of one size, after a while."""

    name, precision = "sleepy", "float32"

    def __init__(self, seconds: float, side: int) -> None:
        self.seconds, self.side = seconds, side

    def logits(self, images: np.ndarray) -> np.ndarray:
        import time

        assert images.shape[1:] == (self.side, self.side, 3)
        time.sleep(self.seconds)
        return np.zeros((len(images), 3), np.float32)

    def save(self, folder) -> None:
        (folder / "model").write_bytes(bytes(1_000 * self.side))


def sleepy(seconds: float, side: int, folder) -> Version:
    classifier = ImageClassifier(Sleepy(seconds, side), Preprocessing(image_size=(side, side)), NAMES)
    folder.mkdir()
    write_golden(classifier, {}, folder)
    return Version(1, classifier, folder)


def test_costs_are_those_that_rules_ask_for(tmp_path) -> None:
    """The two take images of different sizes."""
    slow, fast = sleepy(0.004, 6, tmp_path / "slow"), sleepy(0.001, 4, tmp_path / "fast")
    assert measure_costs(slow, fast, PromotionRules()) == {}
    measured = measure_costs(slow, fast, PromotionRules(max_latency_ratio=2, max_size_ratio=2))
    assert set(measured) == {"latency", "size"}
    latency = measured["latency"]
    assert latency.candidate >= 4.0 and latency.champion >= 1.0
    assert latency.candidate > latency.champion
    assert (measured["size"].candidate, measured["size"].champion) == pytest.approx((0.006, 0.004))


def test_memory_is_measured_in_a_process_of_its_own(tmp_path, monkeypatch) -> None:
    """58 MB of weights in one of two models that are otherwise the same."""
    small, large = (save_linear(tmp_path / str(hidden), hidden) for hidden in (1, 300_000))
    difference = resident_megabytes(large) - resident_megabytes(small)
    assert 40 < difference < 400
    monkeypatch.setattr(costs, "resident_megabytes", {small: 30.0, large: 90.0}.get)
    both = (Version(number, ImageClassifier.load(small), path) for number, path in ((2, large), (1, small)))
    found = measure_costs(*both, PromotionRules(max_memory_ratio=2))["memory"]
    assert (found.candidate, found.champion, found.unit) == (90.0, 30.0, "MB")


def save_linear(folder, hidden: int):
    """A sealed bundle: the mean of each channel, and the sum of so many products of the pixels."""
    import openvino as ov
    import openvino.opset13 as op

    from vision.bundle import atomic_folder, seal
    from vision.runtimes.openvino_runtime import OpenVINORuntime

    images = op.parameter([-1, 4, 4, 3], np.float32, name="images")
    weights = np.random.default_rng(0).normal(size=(48, hidden)).astype(np.float32)
    flat = op.reshape(images, np.array([-1, 48]), False)
    products = op.relu(op.matmul(flat, op.constant(weights), False, False))
    means = op.reduce_mean(images, np.array([1, 2]), False)
    logits = op.add(means, op.reduce_mean(products, np.array([1]), True))
    model = ov.Model([op.result(logits)], [images], "means")
    classifier = ImageClassifier(
        OpenVINORuntime(model, "float32"), Preprocessing(image_size=(4, 4)), ("red", "green", "blue")
    )
    with atomic_folder(folder) as temporary:
        files = classifier.write_files(temporary)
        write_golden(classifier, {}, temporary)
        seal(temporary, files)
    return folder


def test_memory_of_a_bundle_that_does_not_load_says_why(tmp_path) -> None:
    with pytest.raises(BundleError, match=r"cannot be loaded by a new process \(status 1\): .*bundle.json"):
        resident_megabytes(tmp_path)
