"""Which files are listed, with which label and split, and what stops a run."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vision.data_config import DataConfig
from vision.decoding import FORMATS
from vision.errors import DataError
from vision.sources import SOURCES, class_folders, guess_source, list_images
from vision.sources.listing import Listing


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def fill(root: Path, *folders: str, count: int = 5) -> None:
    for folder in folders:
        touch(root, *(f"{folder}/{number}.jpg" for number in range(count)))


def listing(root: Path | None) -> Listing:
    return list_images(DataConfig(source="class_folders", path=root and str(root)), Path("unused"))


def refusal(root: Path | None) -> str:
    with pytest.raises(DataError) as caught:
        listing(root)
    assert "config.data.path" in str(caught.value)
    return str(caught.value)


def test_one_folder_of_classes_has_labels_and_no_split(tmp_path: Path) -> None:
    fill(tmp_path, "cat", "dog")
    rows = listing(tmp_path).rows
    assert [row.path for row in rows[:2]] == ["cat/0.jpg", "cat/1.jpg"]
    assert {(row.label, row.split) for row in rows} == {("cat", ""), ("dog", "")}
    assert rows[0].size_bytes == 1


@pytest.mark.parametrize("name", ("validation", "val", "valid", "Val"))
def test_split_folders_give_the_split(tmp_path: Path, name: str) -> None:
    fill(tmp_path, *(f"{split}/{label}" for split in ("train", name, "test") for label in "ab"), count=1)
    splits = {row.path.split("/")[0]: row.split for row in listing(tmp_path).rows}
    assert splits == {"train": "train", name: "validation", "test": "test"}


def test_train_alone_and_few_images_of_a_given_split_are_enough(tmp_path: Path) -> None:
    fill(tmp_path, "train/a", "train/b", count=1)
    assert {row.split for row in listing(tmp_path).rows} == {"train"}


def test_images_in_nested_folders_count_and_hidden_or_other_files_do_not(tmp_path: Path) -> None:
    fill(tmp_path, "a/2024/june", "b")
    touch(tmp_path, "a/.hidden.jpg", "a/notes.txt", "a/.thumbs/1.jpg", ".git/1.jpg", "a/UPPER.JPG")
    paths = [row.path for row in listing(tmp_path).rows if row.label == "a"]
    assert paths == [*(f"a/2024/june/{number}.jpg" for number in range(5)), "a/UPPER.JPG"]


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    fill(tmp_path, "bus", "train", "test")
    assert {row.label for row in listing(tmp_path).rows} == {"bus", "train", "test"}


def test_extensions_are_those_of_the_formats() -> None:
    Image.init()
    known = {suffix for suffix, name in Image.EXTENSION.items() if name in FORMATS}
    assert known == class_folders.EXTENSIONS


@pytest.mark.parametrize(
    ("first", "second"),
    (
        ("Cat", "cat"),
        ("cat", "cat "),
        ("caf\u00e9", "cafe\u0301"),  # one letter, or e and an accent
    ),
)
def test_classes_that_look_alike_are_both_named(tmp_path: Path, first: str, second: str) -> None:
    fill(tmp_path, first, second, "dog")
    assert "differ only in" in refusal(tmp_path)
    assert f'"{first}"' in refusal(tmp_path)
    assert (second if second.isascii() else "cafe\\u0301") in refusal(tmp_path)


def test_classes_that_look_alike_are_found_across_splits(tmp_path: Path) -> None:
    fill(tmp_path, "train/Cat", "train/dog", "test/cat")
    assert '"Cat" and "cat"' in refusal(tmp_path)


def test_a_folder_that_is_a_link_is_a_class(tmp_path: Path) -> None:
    fill(tmp_path, "images/a", "elsewhere")
    (tmp_path / "images/b").symlink_to(tmp_path / "elsewhere")
    assert {row.label for row in listing(tmp_path / "images").rows} == {"a", "b"}


def test_a_table_is_sent_to_the_source_for_tables(tmp_path: Path) -> None:
    touch(tmp_path, "labels.csv")
    assert "set config.data.source: table" in refusal(tmp_path / "labels.csv")


def test_what_a_desktop_left_behind_is_no_class(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fill(tmp_path, "a", "b")
    touch(tmp_path, "c/.DS_Store", "loose.jpg")
    with caplog.at_level(logging.WARNING):
        assert {row.label for row in listing(tmp_path).rows} == {"a", "b"}
    assert ".DS_Store" in caplog.text
    assert "loose.jpg" in caplog.text


def test_fingerprint_follows_the_files_and_nothing_else(tmp_path: Path) -> None:
    fill(tmp_path, "a", "b")
    first = listing(tmp_path).fingerprint
    assert listing(tmp_path).fingerprint == first
    (tmp_path / "a/0.jpg").write_bytes(b"changed")
    assert listing(tmp_path).fingerprint != first


def test_a_path_is_needed() -> None:
    assert "no folder of images given" in refusal(None)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    assert str(tmp_path / "nowhere") in refusal(tmp_path / "nowhere")


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    touch(tmp_path, "images.zip")
    assert "is a file" in refusal(tmp_path / "images.zip")


def test_a_folder_without_classes_is_refused(tmp_path: Path) -> None:
    assert "no class folders" in refusal(tmp_path)
    touch(tmp_path, "1.jpg", "2.jpg")
    assert "2 images without a class folder" in refusal(tmp_path)


def test_one_class_is_refused(tmp_path: Path) -> None:
    fill(tmp_path, "cat")
    assert "only one class" in refusal(tmp_path)
    assert "cat" in refusal(tmp_path)


@pytest.mark.parametrize("content", ((), ("dog/.gitkeep",), ("dog/image.heic",)))
def test_a_class_without_an_image_is_named(tmp_path: Path, content: tuple[str, ...]) -> None:
    fill(tmp_path, "cat", "cow")
    (tmp_path / "dog").mkdir()
    touch(tmp_path, *content)
    assert 'class "dog" has no image' in refusal(tmp_path)


def test_a_class_that_train_lacks_is_named(tmp_path: Path) -> None:
    fill(tmp_path, "train/a", "train/b", "val/a", "test/zebra")
    assert "test/zebra" in refusal(tmp_path)


def test_splits_without_train_and_doubled_splits_are_refused(tmp_path: Path) -> None:
    fill(tmp_path, "test/a", "test/b")
    assert "no train folder" in refusal(tmp_path)
    fill(tmp_path, "train/a", "train/b", "val/a", "valid/a")
    assert "two folders for one split" in refusal(tmp_path)


def test_too_few_images_to_split_are_counted(tmp_path: Path) -> None:
    fill(tmp_path, "a")
    fill(tmp_path, "b", count=4)
    assert "b (4)" in refusal(tmp_path)


def test_a_name_that_no_table_can_hold_is_refused(tmp_path: Path) -> None:
    fill(tmp_path, "a", "b")
    touch(tmp_path, "a/line\nbreak.jpg")
    with pytest.raises(DataError, match="rename"):
        listing(tmp_path)


def test_a_broken_link_is_listed_so_that_it_is_reported(tmp_path: Path) -> None:
    fill(tmp_path, "a", "b")
    (tmp_path / "a/9.jpg").symlink_to(tmp_path / "gone.jpg")
    assert listing(tmp_path).rows[5].size_bytes == 0


def test_digits_are_written_once_as_png_class_folders(tmp_path: Path) -> None:
    rows = list_images(DataConfig(source="digits"), tmp_path).rows
    assert len(rows) == 1797
    assert {row.label for row in rows} == set("0123456789")
    written = (tmp_path / "digits/0/0000.png").stat().st_mtime_ns
    list_images(DataConfig(source="digits"), tmp_path)
    assert (tmp_path / "digits/0/0000.png").stat().st_mtime_ns == written


def test_digits_keep_their_values_times_255_over_16(tmp_path: Path) -> None:
    list_images(DataConfig(source="digits"), tmp_path)
    # The first row of scikit-learn's first digit: 0 0 5 13 9 1 0 0.
    first = np.asarray(Image.open(tmp_path / "digits/0/0000.png"))[0]
    assert first.tolist() == [0, 0, 80, 207, 143, 16, 0, 0]


def test_an_interrupted_write_of_digits_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image.Image, "save", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        list_images(DataConfig(source="digits"), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("path", "source"),
    (
        ("images", "class_folders"),
        ("s3://bucket/images", "class_folders"),
        ("labels.csv", "table"),
        ("s3://bucket/LABELS.CSV", "table"),
        ("labels.tsv", "table"),
        ("labels.parquet", "table"),
    ),
)
def test_guess_source_goes_by_the_name(path: str, source: str) -> None:
    assert guess_source(path) == DataConfig(source=source, path=path)


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_lists_images_or_says_what_it_needs(name: str, tmp_path: Path) -> None:
    try:
        rows = SOURCES[name](DataConfig(source=name), tmp_path).rows
    except DataError as error:
        assert "config.data." in str(error)
    else:
        assert rows
