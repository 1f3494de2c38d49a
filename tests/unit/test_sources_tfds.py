"""TensorFlow Datasets as class folders: their bytes, splits and labels, and what cannot be used."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vision.data_config import DataConfig
from vision.errors import DataError
from vision.sources import list_images
from vision.sources.listing import Listing

NAME = "sightline_tiny"


def encoded(kind: str, value: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full((4, 4, 3), value, np.uint8)).save(file, kind)
    return file.getvalue()


@pytest.fixture(scope="module")
def builder() -> Any:
    """Six images of each class and split, value 10 * number, class number % 2; "extra" is not read."""
    import tensorflow_datasets as tfds

    class SightlineTiny(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("1.0.0")
        pkg_dir_path = None  # it has no list of checksums
        splits: tuple[str, ...] = ("train", "test", "extra")
        labels = (0, 1)
        kind = "png"
        spec: Any = {  # noqa: RUF012
            "image": tfds.features.Image(shape=(4, 4, 3)),
            "label": tfds.features.ClassLabel(names=["cat", "a/b"]),
        }

        def _info(self) -> Any:
            return self.dataset_info_from_configs(features=tfds.features.FeaturesDict(self.spec))

        def _split_generators(self, dl_manager: Any) -> Any:
            return {split: self._generate_examples() for split in self.splits}

        def _generate_examples(self) -> Iterator[Any]:
            first, second = list(self.spec)[:2]
            for number in range(12):
                image = io.BytesIO(encoded(self.kind, 10 * number))
                yield number, {first: image, second: self.labels[number % 2]}

    return SightlineTiny


@pytest.fixture(autouse=True)
def prepared_below(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "prepared"))


def listing(folder: Path, name: str | None = NAME) -> Listing:
    return list_images(DataConfig(source="tfds", name=name), folder)


def refusal(folder: Path, name: str | None = NAME) -> str:
    with pytest.raises(DataError) as caught:
        listing(folder, name)
    assert "config.data.name" in str(caught.value)
    assert not list(folder.glob("tfds/*"))
    return str(caught.value)


@pytest.mark.parametrize("kind", ("png", "jpeg"))
def test_images_keep_their_bytes_and_splits(
    builder: Any, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builder, "kind", kind)
    found = listing(tmp_path)
    assert found.root == str(tmp_path / "tfds" / NAME)
    assert (tmp_path / "prepared" / NAME).is_dir()
    for split in ("train", "test"):
        for label, first in (("cat", 0), ("a_b", 1)):
            rows = [row for row in found.rows if (row.split, row.label) == (split, label)]
            written = {Path(found.root, row.path).read_bytes() for row in rows}
            assert written == {encoded(kind, 10 * number) for number in range(first, 12, 2)}


def test_a_data_set_is_written_once(builder: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = listing(tmp_path, f"{NAME}:1.*.*")
    assert first.root == str(tmp_path / "tfds/sightline_tiny-1.x.x")
    monkeypatch.setattr("vision.sources.tfds._write_dataset", lambda *_: 1 / 0)
    assert listing(tmp_path, f"{NAME}:1.*.*").fingerprint == first.fingerprint


def test_a_single_split_is_left_to_sightline(
    builder: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(builder, "splits", ("train",))
    assert {row.split for row in listing(tmp_path).rows} == {""}
    assert capfd.readouterr().out == ""


def test_other_splits_and_unlabelled_images_are_passed_over(
    builder: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # TensorFlow Datasets marks the images of a test set whose labels are secret by -1.
    monkeypatch.setattr(builder, "labels", (-1, 1))
    monkeypatch.setattr(builder, "splits", ("train", "validation", "extra"))
    with caplog.at_level(logging.WARNING), pytest.raises(DataError, match="only one class"):
        listing(tmp_path)
    assert "only train, validation are read, passed over: extra" in caplog.text
    assert "6 images of train have no label" in caplog.text


def test_features_may_have_other_names(builder: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = dict(zip(("photo", "kind"), builder.spec.values(), strict=True))
    monkeypatch.setattr(builder, "spec", spec)
    assert {row.label for row in listing(tmp_path).rows} == {"cat", "a_b"}


def test_a_data_set_without_images_is_refused(tmp_path: Path) -> None:
    message = refusal(tmp_path, "imdb_reviews")
    assert "needed is one feature of kind Image, it has 0 of label (ClassLabel), text (Text)" in message


def test_splits_without_train_are_refused(
    builder: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builder, "splits", ("test", "validation"))
    assert "has no split train, only test, validation" in refusal(tmp_path)


def test_what_cannot_be_downloaded_says_why(
    builder: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Any, dl_manager: Any) -> Any:
        raise ConnectionError("no route to host\nand more")

    monkeypatch.setattr(builder, "_split_generators", fail)
    message = refusal(tmp_path)
    assert "ConnectionError: no route to host" in message
    assert "TFDS_DATA_DIR" in message


@pytest.mark.parametrize(
    ("name", "part"),
    (
        ("mnits", "did you mean mnist"),
        ("mnist:9.9.9", "only: 3.0.1"),
        ("no such!", "Parsing builder name string"),
        (None, "no TensorFlow Dataset given"),
    ),
)
def test_an_unknown_name_is_refused(tmp_path: Path, name: str | None, part: str) -> None:
    assert part in refusal(tmp_path, name)
