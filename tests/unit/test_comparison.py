"""The champion on the candidate's test images: its own preprocessing, classes matched by name."""

import io

import numpy as np
import pytest
from PIL import Image

from vision.classifier import ImageClassifier
from vision.comparison import in_classes, score_on_test
from vision.ingest import read_images
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


def champion(*class_names):
    return ImageClassifier(BrightestChannel(), Preprocessing(image_size=(4, 6)), class_names)


def test_score_on_test_matches_classes_by_name(manifest, tmp_path):
    """The champion's order is another than the manifest's, and all its answers are right."""
    scores = score_on_test(champion("red", "green", "blue"), manifest, tmp_path / "prepared")
    assert scores.accuracy == 1.0
    assert scores.images == 6


def test_score_on_test_counts_an_unknown_class_as_wrong(manifest, tmp_path):
    scores = score_on_test(champion("red", "green", "yellow"), manifest, tmp_path / "prepared")
    assert scores.accuracy == pytest.approx(4 / 6)


def test_in_classes_gives_what_is_left_of_a_dropped_class_to_the_others():
    probabilities = np.array([[0.2, 0.5, 0.3]], np.float32)
    aligned = in_classes(probabilities, ("a", "b", "c"), ("c", "a"))
    assert aligned == pytest.approx(np.array([[0.6, 0.4]]))


def test_in_classes_without_a_common_class_is_undecided():
    aligned = in_classes(np.array([[1.0, 0.0]], np.float32), ("a", "b"), ("c", "d"))
    assert aligned == pytest.approx(np.array([[0.5, 0.5]]))
