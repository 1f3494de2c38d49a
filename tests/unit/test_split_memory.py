"""What earlier runs decided: the file, and what is made of it."""

from __future__ import annotations

import json
import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vision.errors import DataError
from vision.manifest import EXCLUDED, Manifest
from vision.split_memory import NOTHING, recall, remember, settle

COLUMNS = ["path", "label", "split", "sha256"]


def manifest(splits: dict[str, str]) -> Manifest:
    rows = [(f"{sha256}.png", "a", split, sha256) for sha256, split in splits.items()]
    return Manifest("data", pd.DataFrame(rows, columns=COLUMNS))


def settled(splits: dict[str, str], units: list[int], remembered: dict[str, str]) -> list[str]:
    split: list[str] = settle(manifest(splits).table, np.array(units), remembered).split.tolist()
    return split


def test_nothing_is_recalled_before_the_first_run(tmp_path: Path) -> None:
    assert recall(tmp_path / "splits.jsonl") == {}


def test_what_is_remembered_is_recalled(tmp_path: Path) -> None:
    file = tmp_path / "new folder" / "splits.jsonl"
    remember(manifest({"b": "test", "a": "train"}), file)
    assert recall(file) == {"a": "train", "b": "test"}
    assert [json.loads(line) for line in file.read_text().splitlines()] == [
        {"sha256": "a", "split": "train"},
        {"sha256": "b", "split": "test"},
    ]


def test_images_that_are_gone_or_left_out_stay_remembered(tmp_path: Path) -> None:
    file = tmp_path / "splits.jsonl"
    remember(manifest({"a": "train", "b": "test", "c": "train"}), file)
    remember(manifest({"a": EXCLUDED, "c": "validation", "d": "", "e": EXCLUDED}), file)
    assert recall(file) == {"a": "train", "b": "test", "c": "validation"}


def test_runs_that_remember_at_once_lose_nothing(tmp_path: Path) -> None:
    file = tmp_path / "splits.jsonl"
    runs = [manifest({f"{run}-{image}": "train" for image in range(20)}) for run in range(16)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda run: remember(run, file), runs))
    assert len(recall(file)) == 320
    assert sorted(path.name for path in tmp_path.iterdir()) == [".splits.jsonl.lock", "splits.jsonl"]


@pytest.mark.parametrize(
    "content",
    (
        b'{"sha256": "a", "spl',
        b'{"sha256": "a"}',
        b'["a", "train"]',
        b"\xff\xfe",
        b'{"sha256": "a", "split": "val"}',
        b'{"sha256": "a", "split": ["test"]}',
    ),
)
def test_a_damaged_file_is_named_and_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "splits.jsonl"
    file.write_bytes(content)
    with pytest.raises(DataError, match=r"splits\.jsonl are damaged .*move it away"):
        remember(manifest({"a": "train"}), file)
    assert file.read_bytes() == content


def test_given_splits_are_held_and_others_are_open() -> None:
    result = settle(
        manifest({"a": "train", "b": "validation", "c": "test", "d": ""}).table, np.arange(4), NOTHING
    )
    assert result.split.tolist() == ["train", "validation", "test", ""]
    assert result.is_held.tolist() == [True, True, True, False]


def test_train_may_be_held_out_where_a_split_is_missing() -> None:
    result = settle(manifest({"a": "train", "b": "test"}).table, np.arange(2), NOTHING)
    assert result.movable_to("validation").tolist() == [True, False]
    assert result.movable_to("test").tolist() == [False, False]


def test_new_images_follow_the_most_held_out_of_their_unit() -> None:
    assert settled({"a": "", "b": "", "c": ""}, [0, 0, 1], {"a": "test"}) == ["test", "test", ""]
    assert settled({"a": "", "b": ""}, [0, 0], {"a": "train"}) == ["train", "train"]


def test_remembered_images_that_a_new_one_links_give_up_the_less_held_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    remembered = {"a": "train", "b": "validation", "c": "test"}
    with caplog.at_level(logging.WARNING):
        split = settled({"a": "", "b": "", "c": "", "new": ""}, [0, 0, 0, 0], remembered)
    assert split == [EXCLUDED, EXCLUDED, "test", "test"]
    assert "2 images are excluded, linked to images that earlier runs had in another split" in caplog.text
    assert "a.png, b.png" in caplog.text


def test_the_data_beats_the_memory_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    splits = {"a": "train", "b": "validation", "c": "test"}
    with caplog.at_level(logging.WARNING):
        assert settled(splits, [0, 1, 2], {"a": "test", "b": "validation", "c": "train"}) == [
            *splits.values()
        ]
    assert "2 images have another split in the data" in caplog.text
    assert "test -> train: 1" in caplog.text


def test_a_remembered_image_that_contradicts_its_units_given_split_is_excluded() -> None:
    splits = {"a": "train", "b": "validation", "c": "test", "new": ""}
    assert settled(splits, [0, 1, 2, 0], {"new": "test"})[3] == EXCLUDED
    assert settled(splits, [0, 1, 2, 2], {"new": "train"})[3] == EXCLUDED


def test_images_taken_out_of_a_train_folder_stay_out() -> None:
    # The folder has no test split: an earlier run drew one, and the folder says train now as it did then.
    result = settle(
        manifest({"a": "train", "b": "train", "c": "validation"}).table,
        np.arange(3),
        {"a": "test", "b": "train"},
    )
    assert result.split.tolist() == ["test", "train", "validation"]
    assert result.movable_to("test").tolist() == [False, False, False]


def test_a_split_of_another_name_is_refused() -> None:
    with pytest.raises(DataError, match='unknown split "val": choose one of test, train, validation'):
        settled({"a": "val"}, [0], {})
