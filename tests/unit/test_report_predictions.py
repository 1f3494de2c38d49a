"""Which images the report shows, and what it says of them, for one class an image and for several."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import pytest
from PIL import Image

from tests.unit.html_page import Page
from tests.unit.report_evidence import comparison
from vision.augmentation_policy import AugmentationPolicy
from vision.classifier import ImageClassifier
from vision.evaluation import evaluate_classifier
from vision.evidence.parts import Evidence
from vision.preprocessing import Preprocessing
from vision.report import Report, render_report
from vision.report.predictions import MAX_SIDE, Answers, answer_test_images, choose_for_gallery, explain, show
from vision.training.record import TrainingRecord

NAMES = ("red", "green", "blue")
SIDE = 8
PREPROCESSING = Preprocessing(image_size=(SIDE, SIDE))
# Bright channels of five images, and their labels: the third is called green too, the last misses blue.
BRIGHT = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 1], [0, 0, 0], [0.9, 0, 0.4]])
LABELS = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 1], [0, 0, 0], [1, 0, 1]])


@dataclass
class ChannelRuntime:
    """A channel's mean is the logit of its class: 0 gives -4, 255 gives 4."""

    name: str = "litert"
    precision: str = "int8"

    def logits(self, images: np.ndarray) -> np.ndarray:
        return (images.mean(axis=(1, 2)) / 255 * 8 - 4).astype(np.float32)


@dataclass
class FakePrepared:
    """The part of PreparedImages that the report asks for; every split holds the same images."""

    pixels: np.ndarray
    truth: np.ndarray
    class_names: tuple[str, ...] = NAMES
    revision: str = "0123456789abcdef"
    preprocessing: Preprocessing = PREPROCESSING

    def images(self, split: str) -> np.ndarray:
        return self.pixels

    def labels(self, split: str) -> np.ndarray:
        return self.truth

    def paths(self, split: str) -> tuple[str, ...]:
        return tuple(f"{split}/{row}.png" for row in range(len(self.truth)))


@pytest.fixture
def classifier() -> ImageClassifier:
    return ImageClassifier(ChannelRuntime(), PREPROCESSING, NAMES, task="multi_label")


@pytest.fixture
def prepared() -> FakePrepared:
    pixels = (BRIGHT[:, None, None, :] * 255).astype(np.uint8)
    return FakePrepared(np.broadcast_to(pixels, (len(BRIGHT), SIDE, SIDE, 3)), LABELS)


def test_of_several_labels_the_one_furthest_from_the_truth_is_explained() -> None:
    probabilities = np.array([[0.9, 0.2, 0.3], [0.6, 0.2, 0.1], [0.4, 0.3, 0.1]], np.float32)
    true = np.array([[1, 0, 0], [0, 0, 1], [0, 0, 0]], bool)
    answers = Answers("multi_label", probabilities, probabilities >= 0.5, true)

    # Right: the likeliest. Wrong: red is 0.6 off, blue 0.9. Right and empty: the likeliest again.
    assert answers.explained.tolist() == [0, 2, 0]
    assert answers.errors.max(axis=1) == pytest.approx([0, 0.9, 0])


def test_of_one_class_the_answer_is_explained_and_its_confidence_ranks_mistakes() -> None:
    probabilities = np.array([[0.7, 0.2, 0.1], [0.6, 0.3, 0.1], [0.1, 0.8, 0.1]], np.float32)
    given, true = np.eye(3, dtype=bool)[[0, 0, 1]], np.eye(3, dtype=bool)[[0, 2, 2]]
    answers = Answers("multi_class", probabilities, given, true)

    _, mistakes = choose_for_gallery(answers, 5, seed=0)

    assert answers.explained.tolist() == [0, 0, 1]
    assert mistakes.tolist() == [2, 1]


def test_gallery_is_half_mistakes_where_there_are_as_many(classifier, prepared) -> None:
    answers = answer_test_images(classifier, prepared)

    shown, mistakes = choose_for_gallery(answers, 4, seed=0)

    assert mistakes.tolist() == [2, 4]  # green at 98 %, blue at 31 %: 0.98 and 0.69 from the truth
    assert len(shown) == 4
    assert shown.tolist()[2:] == [2, 4]
    assert set(shown.tolist()[:2]) <= {0, 1, 3}


def test_what_is_said_of_an_image_are_sets_of_labels(classifier, prepared) -> None:
    answers = answer_test_images(classifier, prepared)

    false, empty, missed = show(prepared, answers, np.array([2, 3, 4]))

    assert (false.true, false.predicted, false.explained) == (("blue",), ("green", "blue"), "green")
    assert (empty.true, empty.predicted, empty.is_right) == ((), (), True)
    assert (missed.true, missed.predicted, missed.explained) == (("red", "blue"), ("red",), "blue")
    assert missed.probability == pytest.approx(1 / (1 + np.exp(0.8)), abs=0.005)  # a channel of 102: -0.8
    assert missed.path == "test/4.png"


def test_thresholds_decide_what_is_right(classifier, prepared) -> None:
    tuned = classifier.with_thresholds((0.5, 0.99, 0.3))

    answers = answer_test_images(tuned, prepared)

    # Green at 98 % is no longer given, blue at 31 % is: the only mistake is now the second image's green.
    assert np.flatnonzero((answers.given != answers.true).any(axis=1)).tolist() == [1]


@pytest.mark.parametrize("rows", [[], [0, 2]])
def test_maps_lie_over_their_own_images(classifier, prepared, rows) -> None:
    answers = answer_test_images(classifier, prepared)

    method, shown = explain(classifier, prepared, answers, np.array(rows, int))

    assert method == "occlusion sensitivity"
    assert [prediction.path for prediction in shown] == [f"test/{row}.png" for row in rows]
    assert all(prediction.overlay.shape == (SIDE, SIDE, 3) for prediction in shown)


def encoded(width: int, height: int, orientation: int) -> bytes:
    exif, buffer = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    Image.new("RGB", (width, height), (90, 90, 90)).save(buffer, "PNG", exif=exif)
    return buffer.getvalue()


def test_maps_lie_over_the_originals_where_they_can_be_read(classifier, prepared) -> None:
    answers, asked = answer_test_images(classifier, prepared), []

    def read(path: str) -> bytes:
        asked.append(path)
        return encoded(60, 40, orientation=6) if path == "test/0.png" else encoded(1600, 800, orientation=1)

    _, (small, large) = explain(classifier, prepared, answers, np.array([0, 2]), read=read)

    assert asked == ["test/0.png", "test/2.png"]
    assert small.image.shape == small.overlay.shape == (60, 40, 3)  # EXIF 6: stored on its side
    assert large.image.shape == large.overlay.shape == (MAX_SIDE // 2, MAX_SIDE, 3)
    assert (small.image == 90).all()


def assembled(classifier, prepared, evidence=None) -> Report:
    from vision.report.assemble import assemble_report

    history = {"loss": (1.0,), "average_precision": (0.5,)}
    record = TrainingRecord(
        architecture="tiny", parameters=9, history=history, seconds=1, images_per_second=5
    )
    return assemble_report(
        classifier,
        prepared,
        evaluate_classifier(classifier, prepared.images("test"), prepared.labels("test"), resamples=10),
        title="colours",
        policy=AugmentationPolicy(),
        record=record,
        gallery_images=4,
        before=None,
        compression=None,
        seed=0,
        evidence=evidence,
    )


@pytest.mark.parametrize("task", ["multi_class", "multi_label"])
def test_report_is_built_from_what_the_pipeline_knows(classifier, prepared, task) -> None:
    if task == "multi_class":
        classifier = ImageClassifier(classifier.runtime, classifier.preprocessing, NAMES)
        prepared.truth = np.array([0, 1, 2, 0, 0])

    html = render_report(assembled(classifier, prepared))

    sections = ["metrics", "confusion", "classes", "curves", "mistakes", "activations", "training"]
    assert Page(html).sections == [*sections, "data", "run"]
    assert ("green + blue" in html) == (task == "multi_label")
    assert ("counts once for each of its labels" in html) == (task == "multi_label")


def test_evidence_brings_the_pixels_of_the_images_that_changed_sides(classifier, prepared) -> None:
    report = assembled(classifier, prepared, evidence=Evidence(champion=comparison(flips=3)))

    assert sorted(report.flipped) == [0, 1, 2]
    assert np.array_equal(report.flipped[1], prepared.images("test")[1])
