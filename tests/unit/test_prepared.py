"""Pixels decoded once: the right ones, in the right place, whole or not there."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

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
        rows.append((name, "ab"[number % 2], split, f"hash{number}"))
    return Manifest(tmp_path / "data", pd.DataFrame(rows, columns=["path", "label", "split", "sha256"]))


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


def test_images_are_memory_mapped_pixels(manifest: Manifest, tmp_path: Path) -> None:
    images = prepare_images(manifest, SMALL, tmp_path / "out").images("train")
    assert isinstance(images, np.memmap)
    assert images.shape == (3, 2, 3, 3)
    assert images.dtype == np.uint8
    assert not images.flags.writeable


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
    for path in manifest.root.iterdir():
        path.unlink()
    assert prepare_images(manifest, SMALL, tmp_path / "out") == first


@pytest.mark.parametrize("column", ("sha256", "label", "split"))
def test_other_rows_or_preprocessing_have_another_folder(
    manifest: Manifest, tmp_path: Path, column: str
) -> None:
    first = prepare_images(manifest, SMALL, tmp_path / "out")
    changed = manifest.table.copy()
    changed.loc[0, column] = "test"
    assert prepare_images(manifest.with_table(changed), SMALL, tmp_path / "out") != first
    other = SMALL.model_copy(update={"resize": "pad"})
    assert prepare_images(manifest, other, tmp_path / "out") != first


def test_an_image_that_cannot_be_decoded_is_named_and_nothing_is_left(
    manifest: Manifest, tmp_path: Path
) -> None:
    (manifest.root / "2.png").write_bytes(b"broken")
    with pytest.raises(DataError, match=r"2\.png cannot be prepared"):
        prepare_images(manifest, SMALL, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_file_that_is_gone_is_named(manifest: Manifest, tmp_path: Path) -> None:
    (manifest.root / "2.png").unlink()
    with pytest.raises(DataError, match=r"2\.png cannot be prepared"):
        prepare_images(manifest, SMALL, tmp_path / "out")


def test_nothing_to_prepare_is_refused(manifest: Manifest, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no image to prepare"):
        prepare_images(manifest.select("excluded"), SMALL, tmp_path / "out")


@pytest.mark.parametrize("name", ("images.npy", "rows.parquet", "description.json"))
def test_open_names_the_missing_file(manifest: Manifest, tmp_path: Path, name: str) -> None:
    folder = prepare_images(manifest, SMALL, tmp_path / "out").folder
    (folder / name).unlink()
    with pytest.raises(DataError, match=name):
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
    assert (tmp_path / "linked/images.npy").samefile(prepared.folder / "images.npy")
    assert not (tmp_path / "copied/images.npy").samefile(prepared.folder / "images.npy")
    assert values(PreparedImages.open(tmp_path / "copied"), "test") == [50, 60]


# Prepares the manifest of the fixture, but never comes to the end of an image.
HANGING = """
import sys, time
from pathlib import Path
import pandas as pd
from vision.manifest import Manifest
from vision.prepared import prepare_images
from vision.preprocessing import Preprocessing
Preprocessing.apply = lambda *_: time.sleep(600)
manifest = Manifest(Path(sys.argv[1]), pd.read_parquet(sys.argv[2]))
prepare_images(manifest, Preprocessing(image_size=(2, 3)), Path(sys.argv[3]))
"""


def test_a_killed_run_leaves_nothing_half_written_and_the_next_completes(
    manifest: Manifest, tmp_path: Path
) -> None:
    manifest.table.to_parquet(tmp_path / "manifest.parquet")
    arguments = [manifest.root, tmp_path / "manifest.parquet", tmp_path / "out"]
    process = subprocess.Popen([sys.executable, "-c", HANGING, *arguments])
    try:
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob("out/*/images.npy")) and time.monotonic() < deadline:
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert all(path.name.startswith(".") for path in (tmp_path / "out").iterdir())
    assert values(prepare_images(manifest, SMALL, tmp_path / "out"), "train") == [0, 10, 20]
