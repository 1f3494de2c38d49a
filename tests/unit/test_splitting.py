"""Which image goes where, and that no image is in two places."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from vision.errors import DataError
from vision.manifest import EXCLUDED, SPLITS, Manifest
from vision.splitting import split_images

Row = tuple[str, str, str, str]  # path, label, split, sha256


def manifest(rows: list[Row]) -> Manifest:
    return Manifest(Path("data"), pd.DataFrame(rows, columns=["path", "label", "split", "sha256"]))


def images(label: str, count: int, split: str = "") -> list[Row]:
    name = f"{split}{label}"
    return [(f"{name}/{number:03d}", label, split, f"{name}{number}") for number in range(count)]


def split(rows: list[Row], validation: float = 0.2, test: float = 0.2, seed: int = 1) -> pd.DataFrame:
    return split_images(manifest(rows), validation=validation, test=test, seed=seed).table


def counts(table: pd.DataFrame, label: str) -> dict[str, int]:
    return dict(Counter(table[table["label"] == label]["split"]))


def test_shares_are_met_class_by_class() -> None:
    # Test: 0.2 of 100 = 20. Validation: 0.25 of the other 80 = 20. A class of 10: 2, and 0.25 * 8 = 2.
    table = split(images("a", 100) + images("b", 10), validation=0.25)
    assert counts(table, "a") == {"train": 60, "validation": 20, "test": 20}
    assert counts(table, "b") == {"train": 6, "validation": 2, "test": 2}


def test_a_small_class_still_gets_one_image_in_each_split() -> None:
    table = split(images("a", 5) + images("b", 200), validation=0.05, test=0.05)
    assert counts(table, "a") == {"train": 3, "validation": 1, "test": 1}


def test_the_order_of_the_rows_does_not_matter_and_the_seed_does() -> None:
    rows = images("a", 40) + images("b", 40)
    assert split(rows).equals(split(rows[::-1]))
    assert not split(rows).equals(split(rows, seed=2))


def test_the_result_is_sorted_by_split_and_path() -> None:
    table = split([*images("b", 20), *images("a", 20)])
    order = [(SPLITS.index(row.split), row.path) for row in table.itertuples()]
    assert order == sorted(order)
    assert table.index.tolist() == list(range(40))


def test_copies_stay_in_one_split_also_across_classes() -> None:
    rows = images("a", 50) + images("b", 50)
    copies = [(f"{label}/copy{number}", label, "", f"a{number}") for number in range(25) for label in "ab"]
    table = split(rows + copies)
    assert (table.groupby("sha256")["split"].nunique() == 1).all()


def test_images_tend_to_stay_when_the_data_grows() -> None:
    before = split(images("a", 1000) + images("b", 1000)).set_index("path")["split"]
    after = split(images("a", 1100) + images("b", 1100)).set_index("path")["split"]
    # Drawn anew at random, 0.64^2 + 0.16^2 + 0.2^2 = 48 % would stay.
    assert (before == after[before.index]).mean() > 0.95


def test_given_splits_are_kept() -> None:
    rows = [row for name in SPLITS for row in images("a", 3, name) + images("b", 2, name)]
    assert [tuple(row) for row in split(rows).to_numpy()] == sorted(
        rows, key=lambda row: (SPLITS.index(row[2]), row[0])
    )


def test_validation_is_taken_out_of_train_where_it_is_missing() -> None:
    rows = (
        images("a", 10, "train") + images("a", 7, "test") + images("b", 20, "train") + images("b", 1, "test")
    )
    table = split(rows)
    assert counts(table, "a") == {"train": 8, "validation": 2, "test": 7}
    assert counts(table, "b") == {"train": 16, "validation": 4, "test": 1}
    assert (table[table["path"].str.startswith("test")]["split"] == "test").all()


def test_test_is_taken_out_of_train_where_it_is_missing() -> None:
    # A share of all 20 images: 4, of the 15 that are in train.
    rows = [row for label in "ab" for row in images(label, 15, "train") + images(label, 5, "validation")]
    assert counts(split(rows), "a") == {"train": 11, "validation": 5, "test": 4}


def test_train_alone_is_split_like_unsplit_images() -> None:
    rows = images("a", 25, "train") + images("b", 25, "train")
    assert counts(split(rows), "a") == {"train": 16, "validation": 4, "test": 5}


def test_new_images_fill_the_splits_up_and_the_others_stay() -> None:
    old = split(images("a", 50) + images("b", 50)).to_numpy().tolist()
    table = split([*map(tuple, old), *images("a", 100)[50:], *images("b", 100)[50:]])
    assert counts(table, "a") == {"train": 64, "validation": 16, "test": 20}
    after = table.set_index("path")["split"]
    assert all(after[path] == name for path, _, name, _ in old)


def test_splitting_again_changes_nothing() -> None:
    rows = [*images("a", 30, "train"), *images("b", 30, "train"), ("x", "a", "test", "atrain0")]
    rows += [*images("a", 3, "test"), *images("b", 3, "test")]
    once = split_images(manifest(rows), validation=0.2, test=0.2, seed=1)
    assert split_images(once, validation=0.2, test=0.2, seed=1).table.equals(once.table)


def test_copies_of_held_out_images_are_excluded_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    rows = [row for name in SPLITS for row in images("a", 5, name) + images("b", 5, name)]
    rows += [("leak/train", "a", "train", "testa0"), ("leak/validation", "a", "validation", "testa1")]
    rows += [("leak/other", "b", "train", "validationa0"), ("twin", "a", "train", "traina0")]
    with caplog.at_level(logging.WARNING):
        table = split(rows)
    assert table[table["split"] == EXCLUDED]["path"].tolist() == [
        "leak/other",
        "leak/train",
        "leak/validation",
    ]
    assert table["split"].tolist()[-3:] == [EXCLUDED] * 3
    assert "3 images are copies" in caplog.text


def test_a_new_copy_joins_the_split_of_its_image() -> None:
    rows = [row for name in SPLITS for row in images("a", 5, name) + images("b", 5, name)]
    table = split([*rows, ("copy", "a", "", "testa0")]).set_index("path")
    assert table.loc["copy", "split"] == "test"


def test_a_class_that_cannot_reach_every_split_is_named_with_counts() -> None:
    same = [(f"b/{number}", "b", "", "same") for number in range(6)]
    with pytest.raises(DataError, match=r"b \(train 0, validation 0, test 6\)"):
        split(images("a", 10) + same)


@pytest.mark.parametrize(("validation", "test"), ((0.0, 0.2), (0.2, 0.0)))
def test_a_share_of_zero_is_refused_where_the_folder_has_no_such_split(
    validation: float, test: float
) -> None:
    with pytest.raises(DataError, match=r"config\.split"):
        split(images("a", 10) + images("b", 10), validation=validation, test=test)


def test_a_class_that_a_given_split_lacks_is_only_reported(caplog: pytest.LogCaptureFixture) -> None:
    rows = [row for name in SPLITS for row in images("a", 5, name)] + images("b", 5, "train")
    with caplog.at_level(logging.WARNING):
        assert counts(split(rows), "b") == {"train": 5}
    assert "b (train 5, validation 0, test 0)" in caplog.text
