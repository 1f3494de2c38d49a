"""Pixels decoded once: the right ones, in the right place, whole or not there."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from vision.bundle import sha256_file
from vision.errors import DataError
from vision.manifest import Manifest
from vision.prepared import PreparedImages, prepare_images
from vision.preprocessing import Preprocessing

SMALL = Preprocessing(image_size=(2, 3))


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    """Gray images of value 0, 10, 20 ...: the value says which image it is."""
    rows = []
    for number, split in enumerate(["train"] * 3 + ["validation"] * 2 + ["test"] * 2 + ["excluded"]):
        name = f"{number}.png"
        (tmp_path / "data").mkdir(exist_ok=True)
        Image.new("L", (6, 4), number * 10).save(tmp_path / "data" / name)
        rows.append((name, "ab"[number % 2], split, sha256_file(tmp_path / "data" / name)))
    return Manifest(str(tmp_path / "data"), pd.DataFrame(rows, columns=["path", "label", "split", "sha256"]))


def values(prepared: PreparedImages, split: str) -> list[int]:
    return [int(image[0, 0, 0]) for image in prepared.images(split)]


def test_each_split_has_its_images_labels_and_paths(manifest: Manifest, tmp_path: Path) -> None:
    prepared = prepare_images(manifest, SMALL, tmp_path / "out")
    assert [values(prepared, split) for split in ("train", "validation", "test")] == [
        [0, 10, 20],
        [30, 40],
        [50, 60],
    ]
    assert prepared.labels("train").tolist() == [0, 1, 0]
    assert prepared.labels("test").dtype == np.int64
    assert prepared.paths("validation") == ("3.png", "4.png")


def test_images_are_pixels_that_are_read_when_asked_for(manifest: Manifest, tmp_path: Path) -> None:
    images = prepare_images(manifest, SMALL, tmp_path / "out").images("train")
    assert images.shape == (3, 2, 3, 3)
    assert images[1].shape == (2, 3, 3)
    assert images[1:].dtype == np.uint8
    assert images[[2, 0]][:, 0, 0, 0].tolist() == [20, 0]
    assert np.asarray(images)[:, 0, 0, 0].tolist() == [0, 10, 20]


def test_labels_of_a_multi_label_set_are_a_row_of_zeros_and_ones(manifest: Manifest, tmp_path: Path) -> None:
    labels = ["a|b", "", "c", "a", "b", "b|c", "a", "a"]
    table = manifest.table.assign(label=labels)
    prepared = prepare_images(Manifest(manifest.root, table, is_multi_label=True), SMALL, tmp_path / "out")
    assert prepared.class_names == ("a", "b", "c")
    assert prepared.labels("train").tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 1]]
    assert prepared.labels("test").tolist() == [[0, 1, 1], [1, 0, 0]]


def test_a_split_without_rows_is_empty(manifest: Manifest, tmp_path: Path) -> None:
    prepared = prepare_images(manifest.select("train"), SMALL, tmp_path / "out")
    assert prepared.images("test").shape == (0, 2, 3, 3)
    assert prepared.labels("test").shape == (0,)
    assert prepared.paths("test") == ()


def test_description_survives_opening(manifest: Manifest, tmp_path: Path) -> None:
    opened = PreparedImages.open(prepare_images(manifest, SMALL, tmp_path / "out").folder)
    assert opened.class_names == ("a", "b")
    assert opened.revision == manifest.revision
    assert opened.preprocessing == SMALL


def test_pickling_takes_the_folder_and_not_the_pixels(manifest: Manifest, tmp_path: Path) -> None:
    prepared = prepare_images(manifest, SMALL.model_copy(update={"image_size": (99, 99)}), tmp_path / "out")
    assert len(prepared.images("train")) == 3
    assert len(pickle.dumps(prepared)) < 1000
    assert pickle.loads(pickle.dumps(prepared)) == prepared


def test_the_order_of_the_rows_does_not_matter(manifest: Manifest, tmp_path: Path) -> None:
    first = prepare_images(manifest, SMALL, tmp_path / "out")
    turned = manifest.with_table(manifest.table[::-1])
    assert prepare_images(turned, SMALL, tmp_path / "out") == first
    assert values(prepare_images(turned, SMALL, tmp_path / "other"), "train") == [0, 10, 20]


def test_what_is_prepared_is_not_decoded_again(manifest: Manifest, tmp_path: Path) -> None:
    first = prepare_images(manifest, SMALL, tmp_path / "out")
    for path in Path(manifest.root).iterdir():
        path.unlink()
    assert prepare_images(manifest, SMALL, tmp_path / "out") == first


@pytest.mark.parametrize("column", ("label", "split"))
def test_other_rows_or_preprocessing_have_another_folder(
    manifest: Manifest, tmp_path: Path, column: str
) -> None:
    first = prepare_images(manifest, SMALL, tmp_path / "out")
    changed = manifest.table.copy()
    changed.loc[0, column] = "test"
    assert prepare_images(manifest.with_table(changed), SMALL, tmp_path / "out") != first
    other = SMALL.model_copy(update={"resize": "pad"})
    assert prepare_images(manifest, other, tmp_path / "out") != first


@pytest.mark.parametrize("change", ("broken", "other", "gone"))
def test_an_image_that_has_changed_is_named_and_nothing_is_left(
    manifest: Manifest, tmp_path: Path, change: str
) -> None:
    file = Path(manifest.root) / "2.png"
    if change == "broken":
        file.write_bytes(b"broken")
    elif change == "other":
        Image.new("L", (6, 4), 99).save(file)
    else:
        file.unlink()
    with pytest.raises(DataError, match=r"2\.png has changed since it was read"):
        prepare_images(manifest, SMALL, tmp_path / "out")
    assert not (tmp_path / "out/sets").exists()


def test_nothing_to_prepare_is_refused(manifest: Manifest, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no image to prepare"):
        prepare_images(manifest.select("excluded"), SMALL, tmp_path / "out")


@pytest.mark.parametrize("name", ("*.npy", "rows.parquet", "description.json"))
def test_open_names_the_missing_file(manifest: Manifest, tmp_path: Path, name: str) -> None:
    folder = prepare_images(manifest, SMALL, tmp_path / "out").folder
    (file,) = folder.glob(name)
    file.unlink()
    with pytest.raises(DataError, match=file.name):
        PreparedImages.open(folder)


def test_links_cost_no_space_and_copies_step_in(
    manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = prepare_images(manifest, SMALL, tmp_path / "out")
    for name in ("linked", "copied"):
        (tmp_path / name).mkdir()
    prepared.link_to(tmp_path / "linked")
    prepared.link_to(tmp_path / "linked")
    monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError("another disk")))
    prepared.link_to(tmp_path / "copied")
    (shard,) = prepared.folder.glob("*.npy")
    assert (tmp_path / "linked" / shard.name).samefile(shard)
    assert not (tmp_path / "copied" / shard.name).samefile(shard)
    assert values(PreparedImages.open(tmp_path / "copied"), "test") == [50, 60]
