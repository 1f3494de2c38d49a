"""Images named by a CSV or parquet file: what is read from it, and which rows stop a run."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from vision.data_config import DataConfig
from vision.errors import DataError
from vision.sources import list_images
from vision.sources.listing import Listing

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
LABELS = ["cat"] * 5 + ["dog"] * 5


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(10):
        (tmp_path / f"{number}.jpg").write_bytes(b"x")
    return tmp_path


def write(folder: Path, text: str | bytes, name: str = "labels.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def lines(labels: list[str], header: str = "path,label") -> str:
    rows = [f"{number}.jpg,{label}" for number, label in enumerate(labels)]
    return "\n".join([header, *rows]) + "\n"


def listing(path: Path, **settings: Any) -> Listing:
    return list_images(DataConfig(source="table", path=str(path), **settings), Path("unused"))


def labels_of(path: Path, **settings: Any) -> list[str]:
    return [row.label for row in listing(path, **settings).rows]


def refusal(path: Path, **settings: Any) -> str:
    with pytest.raises(DataError) as caught:
        listing(path, **settings)
    assert "config.data." in str(caught.value)
    return str(caught.value)


def test_a_table_gives_paths_labels_sizes_and_its_own_folder(folder: Path) -> None:
    found = listing(write(folder, lines(LABELS)))
    assert found.root == str(folder)
    assert not found.is_multi_label
    assert [row.label for row in found.rows] == LABELS
    first = found.rows[0]
    assert (first.path, first.split, first.group, first.size_bytes) == ("0.jpg", "", "", 1)
    assert first.modified_ns == (folder / "0.jpg").stat().st_mtime_ns


def test_splits_and_groups_are_used_where_given(folder: Path) -> None:
    labels = [f"{label},p{place % 2},{split}" for place, (label, split) in enumerate(
        zip(LABELS, ["train", "Val", "valid", "TEST", ""] * 2, strict=True)
    )]  # fmt: skip
    rows = listing(write(folder, lines(labels, "path,label,group,split"))).rows
    assert [row.split for row in rows[:5]] == ["train", "validation", "validation", "test", ""]
    assert [row.group for row in rows[:2]] == ["p0", "p1"]


def test_labels_stay_the_text_that_they_are(folder: Path) -> None:
    labels = ["01"] * 5 + ["NA"] * 3 + ["null"] * 1 + ["None"]
    splits = [f"{label},train" for label in labels]
    assert labels_of(write(folder, lines(splits, "path,label,split"))) == labels


def test_further_columns_go_with_their_images(folder: Path) -> None:
    rows = [f"{label},{'phone' if place % 3 else ''},{place / 2},7" for place, label in enumerate(LABELS)]
    found = listing(write(folder, lines(rows[::-1], "path,label,camera,age,width")))
    assert found.further == ("camera", "age")  # the width is measured
    assert [row.further for row in found.rows][:2] == [("", "4.5"), ("phone", "4.0")]
    other = listing(write(folder, lines(rows[::-1], "path,label,lens,age,width")))
    assert other.fingerprint != found.fingerprint


def test_of_further_columns_those_without_a_plain_value_or_an_own_name_are_left(folder: Path) -> None:
    paths = [f"{number}.jpg" for number in range(10)]
    frame = pd.DataFrame({"path": paths, "label": LABELS, "age": [1.5, None] * 5, "boxes": [[1, 2]] * 10})
    frame.to_parquet(folder / "labels.parquet")
    found = listing(folder / "labels.parquet")
    assert found.further == ("age",)
    assert [row.further for row in found.rows][:2] == [("1.5",), ("",)]
    doubled = listing(write(folder, lines([f"{label},1,2," for label in LABELS], "path,label,a,a,")))
    assert doubled.further == ()


def test_other_columns_can_be_named(folder: Path) -> None:
    path = write(folder, lines([f"{label},x" for label in LABELS], "file,kind,label"))
    assert labels_of(path, columns={"path": "file", "label": "kind"}) == LABELS


def test_the_column_may_be_called_labels(folder: Path) -> None:
    assert labels_of(write(folder, lines(LABELS, "path,labels"))) == LABELS


@pytest.mark.parametrize(
    "change",
    (
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace(",", " , "),
        lambda text: text.replace("\n", "\n\n"),
        lambda text: text.replace("0.jpg", '"./0.jpg"'),
    ),
    ids=("byte order mark", "Windows", "white space", "empty lines", "quotes"),
)
def test_a_csv_may_be_written_in_other_ways(folder: Path, change: Any) -> None:
    text = change(lines(LABELS)).replace(".jpg ,", ".jpg,")
    rows = listing(write(folder, text)).rows
    assert [(row.path, row.label) for row in rows] == [(f"{i}.jpg", LABELS[i]) for i in range(10)]


def test_a_tsv_is_separated_by_tabs(folder: Path) -> None:
    path = write(folder, lines(LABELS).replace(",", "\t"), "labels.tsv")
    assert labels_of(path) == LABELS


@pytest.mark.parametrize(
    ("labels", "expected"),
    (
        ([7] * 5 + [12] * 5, ["7"] * 5 + ["12"] * 5),
        (pd.Categorical(LABELS), LABELS),
        ([["dog", "cat"], ["cat"]] * 5, ["cat|dog", "cat"] * 5),
    ),
    ids=("numbers", "categories", "lists"),
)
def test_parquet_labels_become_text(folder: Path, labels: Any, expected: list[str]) -> None:
    table = pd.DataFrame({"path": [f"{number}.jpg" for number in range(10)], "label": labels, "size": 1.5})
    table.to_parquet(folder / "labels.parquet")
    assert labels_of(folder / "labels.parquet") == expected


def test_parquet_rows_are_counted_and_null_is_missing(folder: Path) -> None:
    table = pd.DataFrame({"path": [f"{number}.jpg" for number in range(10)], "label": LABELS})
    table.loc[[2, 4], "label"] = None
    table.to_parquet(folder / "labels.parquet")
    assert '2 rows without a label: row 3 (""), row 5 ("")' in refusal(folder / "labels.parquet")


def test_multi_label_names_are_sorted_stripped_and_unique(folder: Path) -> None:
    path = write(folder, lines(["dog| cat", "dog|dog", "|cat|", ""] + ["cat|dog"] * 6))
    found = listing(path)
    assert found.is_multi_label
    assert [row.label for row in found.rows[:5]] == ["cat|dog", "dog", "cat", "", "cat|dog"]


def test_the_task_decides_where_no_label_is_joined(folder: Path) -> None:
    path = write(folder, lines(LABELS))
    assert listing(path, task="multi_label").is_multi_label
    joined = write(folder, lines([*LABELS[:-1], "dog|cat"]))
    assert 'line 11 ("dog|cat")' in refusal(joined, task="multi_class")


def test_paths_lie_below_the_folder_of_images(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = write(tmp_path_factory.mktemp("tables"), lines(LABELS))
    assert f"none of the 10 images of the table lies below {path.parent}" in refusal(path)
    assert "config.data.images" in refusal(path)
    assert listing(path, images=str(folder)).root == str(folder)


def test_a_table_that_is_a_link_keeps_its_own_folder(folder: Path, tmp_path_factory: Any) -> None:
    written = write(tmp_path_factory.mktemp("tables"), lines(LABELS))
    (folder / "labels.csv").symlink_to(written)
    assert listing(folder / "labels.csv").root == str(folder)


def test_a_missing_image_is_listed_so_that_it_is_reported(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "3.jpg").unlink()
    with caplog.at_level(logging.WARNING):
        row = listing(write(folder, lines(LABELS))).rows[3]
    assert (row.path, row.size_bytes, row.modified_ns) == ("3.jpg", 0, 0)
    assert "1 of 10 images are missing: 3.jpg" in caplog.text


@pytest.mark.parametrize(
    "path",
    ("/etc/1.jpg", "../1.jpg", "a/../../1.jpg", "a\\1.jpg", "C:/1.jpg", "s3://bucket/1.jpg"),
)
def test_paths_that_leave_the_folder_are_refused(folder: Path, path: str) -> None:
    text = lines(LABELS).replace("4.jpg", path)
    assert f'paths that are not allowed: line 6 ("{path}")' in refusal(write(folder, text))


@pytest.mark.parametrize("again", ("0.jpg,cat", "0.jpg,dog", "./0.jpg,cat"))
def test_an_image_stands_in_one_row(folder: Path, again: str) -> None:
    message = refusal(write(folder, lines(LABELS) + again + "\n"))
    assert 'line 2 ("0.jpg")' in message
    assert "line 12 (" in message


def test_missing_values_name_their_lines_and_no_more_than_ten(folder: Path) -> None:
    assert 'line 3 ("")' in refusal(write(folder, lines(LABELS).replace("1.jpg", "")))
    message = refusal(write(folder, lines(["cat"] + [" "] * 12)))
    assert "12 rows without a label" in message
    assert 'line 12 ("") and 2 more' in message.replace('(" ")', '("")')
    assert "multi_label" in message


def test_an_unknown_split_lists_those_that_are_known(folder: Path) -> None:
    labels = [*(f"{label},train" for label in LABELS[:-1]), "dog,dev"]
    message = refusal(write(folder, lines(labels, "path,label,split")))
    assert 'line 11 ("dev")' in message
    assert "test, train, val, valid, validation" in message


@pytest.mark.parametrize(
    ("labels", "task", "part"),
    (
        (["cat"] * 10, "auto", "only one class"),
        ([""] * 10, "multi_label", "no label"),
        ([*LABELS[:-1], "Dog"], "auto", '"Dog" and "dog"'),
        ([*LABELS[:-1], "cow"], "auto", "cow (1), dog (4)"),
        ([*LABELS[:-1], "dog|cow"], "auto", "cow (1)"),
        ([*LABELS[:-1], '"a\tb"'], "auto", "'a\\tb'"),
    ),
)
def test_classes_that_cannot_be_learned_are_refused(
    folder: Path, labels: list[str], task: str, part: str
) -> None:
    path = write(folder, lines(labels))
    with pytest.raises(DataError) as caught:
        listing(path, task=task)
    assert part in str(caught.value)


@pytest.mark.parametrize(
    ("splits", "part"),
    ((["test"] * 10, "no training image"), (["train"] * 5 + ["test"] * 5, "test/dog")),
)
def test_splits_need_training_images(folder: Path, splits: list[str], part: str) -> None:
    labels = [f"{label},{split}" for label, split in zip(LABELS, splits, strict=True)]
    assert part in refusal(write(folder, lines(labels, "path,label,split")))


@pytest.mark.parametrize(
    ("columns", "missing"),
    (
        ({}, 'no column "path"'),
        ({"path": "file", "label": "type"}, 'no column "type"'),
        ({"path": "file", "label": "kind", "group": "patient"}, 'no column "patient"'),
    ),
)
def test_a_missing_column_lists_those_that_there_are(
    folder: Path, columns: dict[str, str], missing: str
) -> None:
    message = refusal(write(folder, lines(LABELS, "file,kind")), columns=columns)
    assert missing in message
    assert 'its columns are "file", "kind"' in message


@pytest.mark.parametrize(
    ("content", "part"),
    (
        (b"", "no lines"),
        (b"path,label\n", "a header and no rows"),
        (b"path,label\n1.jpg,cat\n2.jpg\n3.jpg,cat,x\n", "2 lines: 3, 4"),
        (b"path,label\n1.jpg,cat\n2.jpg,caf\xe9\n", "not UTF-8, first in line 3"),
        (b'path,label\n1.jpg,"cat\n', "broken near line 2"),
        (b"path,label,label\n1.jpg,cat,dog\n", "two columns of one name: label"),
    ),
)
def test_a_broken_csv_says_where(folder: Path, content: bytes, part: str) -> None:
    assert part in refusal(write(folder, content))


def test_a_broken_or_empty_parquet_is_refused(folder: Path) -> None:
    assert "is no parquet file" in refusal(write(folder, b"path,label\n", "labels.parquet"))
    pd.DataFrame({"path": [], "label": []}).to_parquet(folder / "empty.parquet")
    assert "no rows" in refusal(folder / "empty.parquet")


def test_what_is_no_table_is_sent_elsewhere(folder: Path) -> None:
    assert "config.data.source: class_folders" in refusal(folder)
    (folder / "odd.csv").mkdir()
    assert "config.data.source: class_folders" in refusal(folder / "odd.csv")
    assert "FileNotFoundError" in refusal(folder / "no.csv")
    with pytest.raises(DataError, match="no table of images given"):
        list_images(DataConfig(source="table"), folder)


@pytest.mark.slow
@pytest.mark.skipif(
    not (DATA / "bccd").is_dir(), reason="the blood cells (bccd) are not beside the repository"
)
def test_blood_cells_are_multi_label_and_split() -> None:
    found = listing(DATA / "bccd/labels.csv")
    splits = [row.split for row in found.rows]
    assert found.is_multi_label
    assert [splits.count(split) for split in ("train", "validation", "test")] == [205, 87, 72]
    assert {name for row in found.rows for name in row.label.split("|")} == {"RBC", "WBC", "Platelets"}


@pytest.mark.slow
@pytest.mark.skipif(not (DATA / "grocery").is_dir(), reason="grocery is not beside the repository")
def test_groceries_are_the_same_as_folders_and_as_a_table() -> None:
    table = listing(DATA / "grocery/labels.csv")
    folders = list_images(DataConfig(source="class_folders", path=str(DATA / "grocery")), Path("unused"))
    assert table.further == ("fine_id", "coarse_id")
    assert tuple(replace(row, further=()) for row in table.rows) == folders.rows
    assert len(table.rows) == 5421
