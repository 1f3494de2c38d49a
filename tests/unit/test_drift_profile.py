"""What both sides of a comparison are: measured alike, written whole, and refused where damaged."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.unit.drifting_service import seen
from tests.unit.simulated_answers import TableRuntime
from vision.bundle import sha256_file
from vision.classifier import ImageClassifier
from vision.drift.answering import Answering
from vision.drift.embedding import BATCH, embed
from vision.drift.profile import FILE, Profile
from vision.drift.properties import see_images
from vision.drift.reference import MOST_IMAGES, profile_of
from vision.errors import BundleError, DataError
from vision.inspection.properties import measure_images
from vision.manifest import Manifest
from vision.prepared import PreparedImages, prepare_images
from vision.preprocessing import Preprocessing
from vision.runtimes import SplitModel
from vision.uncertainty.rules import SetRule, Uncertainty

SMALL = Preprocessing(image_size=(4, 6))


@pytest.fixture
def profile() -> Profile:
    made = seen(30, 20, random=np.random.default_rng(0), judged=5)
    return replace(made, examples=np.full((2, 3, 4, 3), 7, np.uint8))


def assert_equal(one: Profile, other: Profile) -> None:
    for name in ("probabilities", "energy", "right", "covered", "embeddings", "examples"):
        received = getattr(one, name)
        assert received.dtype == getattr(other, name).dtype
        assert np.array_equal(received, getattr(other, name))
    assert one.answering == other.answering
    assert {name: values.tolist() for name, values in one.properties.items()} == {
        name: values.tolist() for name, values in other.properties.items()
    }


@pytest.mark.parametrize(
    "answering",
    [Answering(), Answering(("ä", "b c"), "multi_label", (0.5, 0.25)), Answering(("x",), coverage=0.95)],
)
def test_profile_comes_back_as_it_was(profile, answering, tmp_path) -> None:
    profile = replace(profile, answering=answering)
    profile.save(tmp_path / "reference")
    assert_equal(Profile.load(tmp_path / "reference"), profile)
    assert [path.name for path in tmp_path.rglob("*")] == ["reference", FILE]


@pytest.mark.parametrize("spoil", [lambda data: data[:200], lambda data: b"", lambda data: b"no zip" * 50])
def test_damaged_profile_is_refused(profile, tmp_path, spoil) -> None:
    profile.save(tmp_path)
    (tmp_path / FILE).write_bytes(spoil((tmp_path / FILE).read_bytes()))
    with pytest.raises(BundleError, match=r"is damaged .*: restore it"):
        Profile.load(tmp_path)


def test_profile_of_other_arrays_is_refused(tmp_path) -> None:
    np.savez(tmp_path / FILE, probabilities=np.zeros((2, 2)))
    with pytest.raises(BundleError, match="is damaged"):
        Profile.load(tmp_path)


def test_profile_with_code_in_it_is_not_run(profile, tmp_path) -> None:
    np.savez(tmp_path / FILE, probabilities=np.array([print], dtype=object))
    with pytest.raises(BundleError, match="allow_pickle"):
        Profile.load(tmp_path)


def test_missing_profile_says_what_to_do(tmp_path) -> None:
    with pytest.raises(BundleError, match="train and register the model again"):
        Profile.load(tmp_path)


def test_profile_is_written_whole_or_not_at_all(profile, tmp_path, monkeypatch) -> None:
    profile.save(tmp_path / "reference")

    def full_disk(path, **arrays):
        Path(path).write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(np, "savez_compressed", full_disk)
    with pytest.raises(OSError, match="No space"):
        replace(profile, energy=np.zeros(30)).save(tmp_path / "reference")
    assert_equal(Profile.load(tmp_path / "reference"), profile)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"energy": np.full(30, np.nan)}, "30 of 30 numbers in a profile's energy"),
        ({"energy": np.zeros(29)}, r"energies \(29,\)"),
        ({"probabilities": np.zeros(30, np.float32)}, r"probabilities \(30,\)"),
        ({"properties": {"width": np.zeros(3)}}, "not as many in each part: {'width': 3, 'embeddings': 20}"),
        ({"embeddings": np.full((20, 2), np.inf)}, "40 of 40 numbers in a profile's embeddings"),
    ],
)
def test_profile_that_cannot_be_is_refused(profile, change, reason) -> None:
    with pytest.raises(DataError, match=reason):
        replace(profile, **change)


@dataclass
class SplitRuntime(TableRuntime):
    """A feature map of two places: twice the pixel's bytes, and zeros."""

    def split(self) -> SplitModel:
        def features(images):
            assert len(images) <= BATCH
            return np.stack([2 * images[:, :1, 0], 0 * images[:, :1, 0]], axis=2).astype(np.float32)

        return SplitModel(features, lambda maps: maps)


def classifier_of(runtime: TableRuntime) -> ImageClassifier:
    return ImageClassifier(runtime, SMALL, ("a", "b"))  # type: ignore[arg-type]


def test_embedding_is_the_mean_over_the_places_of_the_feature_map() -> None:
    images = np.tile(np.arange(100, dtype=np.uint8)[:, None, None, None], (1, 2, 2, 3))
    rows = embed(classifier_of(SplitRuntime(np.zeros((1, 2)))), images)
    assert rows.dtype == np.float32
    assert np.array_equal(rows, np.repeat(np.arange(100)[:, None], 3, axis=1))


def test_embedding_of_a_model_that_cannot_be_split_are_its_logits() -> None:
    table = np.array([[1.0, 2.0], [3.0, 4.0]])
    images = np.zeros((2, 1, 1, 3), np.uint8)
    images[1, 0, 0, 0] = 1
    assert embed(classifier_of(TableRuntime(table)), images).tolist() == table.tolist()


def test_embedding_of_no_image_is_empty() -> None:
    assert embed(classifier_of(TableRuntime(np.zeros((1, 2)))), np.zeros((0, 4, 6, 3), np.uint8)).size == 0


def encoded(value: int, size: tuple[int, int] = (60, 20)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (value, 0, 0)).save(buffer, "PNG")
    return buffer.getvalue()


def test_images_are_measured_as_those_of_the_manifest() -> None:
    files = [encoded(200), b"no image", encoded(10, (20, 60))]
    images = see_images(files, SMALL)
    assert images.places.tolist() == [0, 2]
    assert images.pixels.shape == (2, 4, 6, 3)
    assert images.properties["width"].tolist() == [60, 20]
    assert images.properties["aspect_ratio"].tolist() == [3, 3]
    assert images.properties["size_bytes"].tolist() == [len(files[0]), len(files[2])]
    inspected = measure_images(np.stack([SMALL.apply(files[0]), SMALL.apply(files[2])]))
    assert images.properties["brightness"].tolist() == inspected["brightness"].tolist()


def test_no_readable_image_has_no_properties() -> None:
    images = see_images([b"", b"no image"], SMALL)
    assert (images.pixels.shape, images.properties) == ((0, 4, 6, 3), {})


@pytest.fixture
def prepared(tmp_path) -> tuple[PreparedImages, Manifest]:
    """Twelve validation images, red of value 0 to 11; in two of three the class is "a"."""
    (tmp_path / "data").mkdir()
    rows = []
    for value in range(14):
        path = tmp_path / "data" / f"{value:02}.png"
        path.write_bytes(encoded(value))
        label, split = "ba"[value % 3 > 0], "validation" if value < 12 else "train"
        rows.append((path.name, label, split, sha256_file(path), path.stat().st_size, 60, 20))
    columns = ["path", "label", "split", "sha256", "size_bytes", "width", "height"]
    manifest = Manifest(str(tmp_path / "data"), pd.DataFrame(rows, columns=columns))
    return prepare_images(manifest, SMALL, tmp_path / "prepared"), manifest


def test_reference_is_what_the_classifier_says_of_validation_images(prepared) -> None:
    """It says "a" of all; eight of twelve are."""
    rule = SetRule(method="lac", coverage=0.8, limits=(0.5,))
    classifier = classifier_of(TableRuntime(np.tile([2.0, 0.0], (14, 1)))).with_uncertainty(
        Uncertainty(sets=rule)
    )
    reference = profile_of(classifier, *prepared, seed=0)
    assert (reference.answers, reference.images) == (12, 12)
    assert reference.right.sum() == reference.covered.sum() == 8
    assert reference.answering == Answering(("a", "b"), coverage=0.8)
    assert reference.properties["aspect_ratio"].tolist() == [3] * 12
    assert len(reference.examples) == 12


def test_reference_is_a_draw_in_which_each_class_has_its_share(prepared, monkeypatch) -> None:
    monkeypatch.setattr("vision.drift.reference.MOST_IMAGES", 6)
    classifier = classifier_of(TableRuntime(np.tile([2.0, 0.0], (14, 1))))
    one, same = (profile_of(classifier, *prepared, seed=3) for _ in range(2))
    assert_equal(one, same)
    assert (one.answers, one.right.sum(), len(one.covered)) == (6, 4, 0)
    assert MOST_IMAGES == 2000


def test_reference_of_several_labels_has_their_thresholds(prepared) -> None:
    pixels, manifest = prepared
    several = prepare_images(replace(manifest, is_multi_label=True), SMALL, pixels.folder.parents[1])
    classifier = replace(
        classifier_of(TableRuntime(np.tile([2.0, -2.0], (14, 1)))), task="multi_label", thresholds=(0.5, 0.9)
    )
    reference = profile_of(classifier, several, manifest, seed=0)
    assert reference.answering == Answering(("a", "b"), "multi_label", (0.5, 0.9))
    assert (reference.right.sum(), reference.covered.size) == (8, 0)


def test_reference_without_validation_images_cannot_be(prepared, tmp_path) -> None:
    _, manifest = prepared
    train = prepare_images(manifest.select("train"), SMALL, tmp_path / "prepared")
    with pytest.raises(DataError, match=r"set config\.split\.validation"):
        profile_of(classifier_of(TableRuntime(np.zeros((14, 2)))), train, manifest, seed=0)
