"""The champion on the candidate's test images: its own preprocessing, classes matched by name."""

import io

import numpy as np
import pytest
from PIL import Image

from vision.classifier import ImageClassifier
from vision.comparison import answer_test, in_classes, label_test, select_test
from vision.ingest import read_images
from vision.manifest import Manifest
from vision.metrics import measure
from vision.pixel_store import PixelStore
from vision.preprocessing import Preprocessing
from vision.sources.listing import ListedImage, Listing

COLOURS = {"blue": (0, 0, 255), "green": (0, 255, 0), "red": (255, 0, 0)}


class BrightestChannel:
    """Logits that name the brightest of red, green and blue; knows images of 4 x 6 pixels only."""

    name, precision = "fake", "float32"

    def logits(self, images):
        assert images.shape[1:] == (4, 6, 3)
        return images.mean(axis=(1, 2)).astype(np.float32)

    def save(self, folder):
        (folder / "model").write_bytes(b"")


@pytest.fixture
def manifest(tmp_path):
    """Two test images of each colour, and a training image of each."""
    rows = []
    for label, colour in COLOURS.items():
        for number, split in enumerate(("train", "test", "test")):
            buffer = io.BytesIO()
            Image.new("RGB", (9 + number, 9), colour).save(buffer, "PNG")
            path = tmp_path / label / f"{number}.png"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(buffer.getvalue())
            rows.append(ListedImage(f"{label}/{number}.png", label, split, len(buffer.getvalue()), 0))
    store = PixelStore(tmp_path / "pixels", Preprocessing(image_size=(2, 2)))
    return read_images(Listing(str(tmp_path), tuple(rows)), store)


def accuracy_on_test(classifier, manifest, tmp_path):
    """Of its answers to six test images, prepared under `tmp_path`."""
    names = manifest.class_names
    answered = answer_test(classifier, manifest, tmp_path / "prepared", names)
    labels = label_test(manifest, names)
    assert len(labels) == 6
    return measure("accuracy", labels, answered.probabilities, thresholds=answered.thresholds)


def champion(*class_names):
    return ImageClassifier(BrightestChannel(), Preprocessing(image_size=(4, 6)), class_names)


def test_answer_test_matches_classes_by_name(manifest, tmp_path):
    """The champion's order is another than the manifest's, and all its answers are right."""
    assert accuracy_on_test(champion("red", "green", "blue"), manifest, tmp_path) == 1.0


def test_answer_test_counts_an_unknown_class_as_wrong(manifest, tmp_path):
    assert accuracy_on_test(champion("red", "green", "yellow"), manifest, tmp_path) == pytest.approx(4 / 6)


def test_rows_and_labels_are_in_the_order_of_the_answers(manifest, several_labels):
    shuffled = manifest.with_table(manifest.table.iloc[::-1])
    assert list(select_test(shuffled).table["path"]) == sorted(select_test(manifest).table["path"])
    assert label_test(shuffled, ("red", "blue", "green")).tolist() == [1, 1, 2, 2, 0, 0]
    red_and_green = [[0, 0], [0, 0], [1, 1], [1, 1], [1, 0], [1, 0]]
    assert label_test(several_labels, ("red", "green")).tolist() == red_and_green


def test_in_classes_gives_what_is_left_of_a_dropped_class_to_the_others():
    probabilities = np.array([[0.2, 0.5, 0.3]], np.float32)
    aligned = in_classes(probabilities, ("a", "b", "c"), ("c", "a"))
    assert aligned == pytest.approx(np.array([[0.6, 0.4]]))


def test_in_classes_without_a_common_class_is_undecided():
    aligned = in_classes(np.array([[1.0, 0.0]], np.float32), ("a", "b"), ("c", "d"))
    assert aligned == pytest.approx(np.array([[0.5, 0.5]]))


def test_in_classes_leaves_the_probabilities_of_labels_as_they_are():
    probabilities = np.array([[0.2, 0.9, 0.8]], np.float32)
    aligned = in_classes(probabilities, ("a", "b", "c"), ("c", "d", "a"), task="multi_label")
    assert aligned == pytest.approx(np.array([[0.8, 0.0, 0.2]]))


@pytest.fixture
def several_labels(manifest):
    """The same images; those that were blue are without a label, the green ones have red too."""
    table = manifest.table.replace({"label": {"blue": "", "green": "green|red"}})
    return Manifest(manifest.root, table, is_multi_label=True)


def labelling_champion(*class_names, thresholds=()):
    """Of a plain image one logit is 255, the others are 0, which is a probability of 0.5."""
    preprocessing = Preprocessing(image_size=(4, 6))
    return ImageClassifier(
        BrightestChannel(), preprocessing, class_names, task="multi_label", thresholds=thresholds
    )


def test_answer_test_gives_labels_their_own_thresholds(several_labels, tmp_path):
    """With green above 0.5 and red at it, green images are given both, and red ones red alone."""
    champion = labelling_champion("red", "green", "blue", thresholds=(0.5, 0.6, 0.6))
    found = accuracy_on_test(champion, several_labels, tmp_path)
    assert found == pytest.approx(4 / 6)  # the blue images are given red, and have nothing
    lower = labelling_champion("red", "green", "blue")
    assert accuracy_on_test(lower, several_labels, tmp_path) == pytest.approx(2 / 6)


def test_answer_test_counts_an_unknown_label_as_absent(several_labels, tmp_path):
    champion = labelling_champion("red", "yellow", "blue", thresholds=(0.5, 0.5, 0.6))
    found = accuracy_on_test(champion, several_labels, tmp_path)
    assert found == pytest.approx(2 / 6)  # the red images; the green ones are given red alone


def test_answer_test_compares_champions_of_either_task(several_labels, manifest, tmp_path):
    """A champion of classes gives one label: two, as the green images have, it cannot give.

    Those that it calls blue have none of the labels that are asked. One of labels takes its likeliest.
    """
    of_classes = accuracy_on_test(champion("red", "green", "blue"), several_labels, tmp_path)
    assert of_classes == pytest.approx(4 / 6)
    of_labels = accuracy_on_test(labelling_champion("red", "green", "blue"), manifest, tmp_path)
    assert of_labels == 1.0
