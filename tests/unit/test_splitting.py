"""Which image goes where, and that no picture is in two places."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vision.config import SplitConfig
from vision.errors import DataError
from vision.manifest import EXCLUDED, SPLITS, Manifest
from vision.split_memory import recall, remember
from vision.splitting import LINKS, exclude_doubtful_labels, split_images

Row = tuple[str, ...]  # path, label, split, sha256 and, where there are any, cluster and group

COLUMNS = ["path", "label", "split", "sha256", "cluster", "group"]
FLOWERS = Path(__file__).resolve().parents[3] / "shared" / "data" / "flowers"


def manifest(rows: list[Row], *, is_multi_label: bool = False) -> Manifest:
    width = len(rows[0])
    return Manifest("data", pd.DataFrame(rows, columns=COLUMNS[:width]), is_multi_label)


def images(label: str, count: int, split: str = "") -> list[Row]:
    name = f"{split}{label}"
    return [(f"{name}/{number:03d}", label, split, f"{name}{number}") for number in range(count)]


def linked(row: Row, *, cluster: str = "", group: str = "") -> Row:
    return (*row, cluster, group)


def split(
    rows: list[Row], *, seed: int = 1, remembered: dict[str, str] | None = None, **config: object
) -> pd.DataFrame:
    settings = SplitConfig.model_validate(config)
    return split_images(manifest(rows), settings, seed=seed, remembered=remembered or {}).table


def counts(table: pd.DataFrame, label: str) -> dict[str, int]:
    return dict(Counter(table[table["label"] == label]["split"]))


def by_path(table: pd.DataFrame) -> pd.Series[str]:
    return table.set_index("path")["split"]


def memory(table: pd.DataFrame) -> dict[str, str]:
    return dict(zip(table["sha256"], table["split"], strict=True))


def random_manifest(seed: int) -> Manifest:
    """A few hundred images in random clusters and groups, some of them copies, of one label or of many."""
    generator = np.random.default_rng(seed)
    number = int(generator.integers(200, 600))
    names = np.array(list("abcde"))
    is_multi_label = bool(seed % 2)

    def link(prefix: str) -> list[str]:
        values = generator.integers(0, 2 * number, number)
        return [f"{prefix}{value}" if value < number else "" for value in values]

    def label() -> str:
        chosen = names[generator.random(5) < 0.3] if is_multi_label else [generator.choice(names)]
        return "|".join(chosen)

    rows: list[Row] = [
        (f"{place:04d}", label(), "", f"bytes{generator.integers(0, 2 * number)}", cluster, group)
        for place, (cluster, group) in enumerate(zip(link("c"), link("g"), strict=True))
    ]
    return manifest(rows, is_multi_label=is_multi_label)


def test_shares_are_met_class_by_class() -> None:
    # Test: 0.2 of 100 = 20. Validation: 0.25 of the other 80 = 20. A class of 10: 2, and 0.25 * 8 = 2.
    table = split(images("a", 100) + images("b", 10), validation=0.25)
    assert counts(table, "a") == {"train": 60, "validation": 20, "test": 20}
    assert counts(table, "b") == {"train": 6, "validation": 2, "test": 2}


def test_shares_are_rounded_half_up() -> None:
    # 0.145 of 100 is 14.5, though 14.499999999999998 to the machine; 0.5 of the other 85 is 42.5.
    table = split(images("a", 100), validation=0.5, test=0.145)
    assert counts(table, "a") == {"train": 42, "validation": 43, "test": 15}


@pytest.mark.parametrize("share", (0.05, 0.6))
def test_a_small_class_still_gets_one_image_in_each_split(share: float) -> None:
    table = split(images("a", 3) + images("b", 200), validation=share, test=share)
    assert counts(table, "a") == {"train": 1, "validation": 1, "test": 1}


def test_the_order_of_the_rows_does_not_matter_and_the_seed_does() -> None:
    rows = images("a", 40) + images("b", 40)
    assert split(rows).equals(split(rows[::-1]))
    assert not split(rows).equals(split(rows, seed=2))


def test_the_names_of_the_files_do_not_matter() -> None:
    rows = images("a", 40)
    renamed = [(f"z{100 - place}", *row[1:]) for place, row in enumerate(rows)]
    assert memory(split(rows)) == memory(split(renamed))


def test_the_result_is_sorted_by_split_and_path() -> None:
    table = split([*images("b", 20), *images("a", 20)])
    order = [(SPLITS.index(row.split), row.path) for row in table.itertuples()]
    assert order == sorted(order)
    assert table.index.tolist() == list(range(40))


def test_copies_stay_in_one_split_also_across_classes() -> None:
    rows = images("a", 50) + images("b", 50)
    copies: list[Row] = [
        (f"{label}/copy{number}", label, "", f"a{number}") for number in range(25) for label in "ab"
    ]
    table = split(rows + copies)
    assert (table.groupby("sha256")["split"].nunique() == 1).all()


def test_near_duplicates_stay_together_unless_told_otherwise() -> None:
    rows = [linked(row, cluster=str(place // 5)) for place, row in enumerate(images("a", 100))]
    together, parted = split(rows), split(rows, near_duplicates_together=False)
    assert (together.groupby("cluster")["split"].nunique() == 1).all()
    assert (parted.groupby("cluster")["split"].nunique() > 1).any()
    assert counts(together, "a") == {"train": 65, "validation": 15, "test": 20}  # 3 of 16 clusters are 15


def test_groups_stay_together_and_an_empty_value_links_nothing() -> None:
    rows = [linked(row, group=str(place // 10)) for place, row in enumerate(images("a", 100))]
    rows += [linked(row) for row in images("b", 10)]
    table = split(rows)
    assert (table[table["group"] != ""].groupby("group")["split"].nunique() == 1).all()
    assert counts(table, "b") == {"train": 6, "validation": 2, "test": 2}


@pytest.mark.parametrize("seed", range(6))
def test_linked_images_never_part_and_shares_are_met(seed: int) -> None:
    random = random_manifest(seed)
    table = split_images(random, SplitConfig(), seed=seed).table
    assert set(table["split"]) == set(SPLITS)
    for column in LINKS:
        assert (table[table[column] != ""].groupby(column)["split"].nunique() == 1).all()
    # Links chain up to 25 images: the share is missed by less than one such set.
    assert abs((table["split"] == "test").sum() - 0.2 * len(table)) < 25


@pytest.mark.parametrize("seed", range(6))
def test_shuffled_rows_are_split_alike(seed: int) -> None:
    random = random_manifest(seed)
    shuffled = random.with_table(random.table.sample(frac=1, random_state=seed))
    once, again = (split_images(one, SplitConfig(), seed=1).table for one in (random, shuffled))
    assert once.equals(again)


def test_many_labels_an_image_are_stratified_class_by_class() -> None:
    labels = ["a", "b", "a|b", "a|c", ""]
    rows: list[Row] = [(f"{place:03d}", labels[place % 5], "", str(place)) for place in range(500)]
    table = split_images(manifest(rows, is_multi_label=True), SplitConfig(), seed=1).table
    held_out = table[table["split"] == "test"]
    # 20 % of 300, 200 and 100 images of a, b and c, and of the 100 without a class.
    assert [held_out["label"].str.contains(name).sum() for name in "abc"] == [60, 40, 20]
    assert (held_out["label"] == "").sum() == 20


def test_images_tend_to_stay_when_the_data_grows() -> None:
    before = by_path(split(images("a", 1000) + images("b", 1000)))
    after = by_path(split(images("a", 1100) + images("b", 1100)))
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
    after = by_path(table)
    assert all(after[path] == name for path, _, name, _ in old)


def test_splitting_again_changes_nothing() -> None:
    rows = [*images("a", 30, "train"), *images("b", 30, "train"), ("x", "a", "test", "atrain0")]
    rows += [*images("a", 3, "test"), *images("b", 3, "test")]
    once = split_images(manifest(rows), SplitConfig(), seed=1)
    assert split_images(once, SplitConfig(), seed=1).table.equals(once.table)


def test_copies_of_held_out_images_are_excluded_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    rows = [row for name in SPLITS for row in images("a", 5, name) + images("b", 5, name)]
    rows += [("leak/train", "a", "train", "testa0"), ("leak/validation", "a", "validation", "testa1")]
    rows += [("leak/other", "b", "train", "validationa0"), ("twin", "a", "train", "traina0")]
    with caplog.at_level(logging.WARNING):
        table = split(rows)
    assert table["path"].tolist()[-3:] == ["leak/other", "leak/train", "leak/validation"]
    assert (table["split"] == EXCLUDED).sum() == 3
    assert "3 images are excluded" in caplog.text
    assert "3 exact copies, 0 near-duplicates" in caplog.text


def test_near_duplicates_of_held_out_images_are_excluded(caplog: pytest.LogCaptureFixture) -> None:
    rows = [linked(row) for name in SPLITS for row in images("a", 5, name)]
    near: list[Row] = [
        ("near/test", "a", "test", "1", "c", ""),
        ("near/train", "a", "train", "2", "c", "patient"),
        ("near/same patient", "a", "train", "3", "", "patient"),
    ]
    with caplog.at_level(logging.WARNING):
        after = by_path(split(rows + near))
    assert after["near/test"] == "test"
    assert after["near/train"] == after["near/same patient"] == EXCLUDED
    assert "0 exact copies, 1 near-duplicates, 1 by a chain" in caplog.text


def test_a_group_that_the_data_parts_is_refused() -> None:
    rows = [linked(row, group="p7" if row[0].endswith("0") else "") for row in images("a", 9, "train")]
    rows += [linked(row, group="p7") for row in images("a", 2, "test")]
    with pytest.raises(DataError, match=r'1 groups .*"p7" \(test 2, train 1\).*config\.data\.columns\.group'):
        split(rows)


def test_a_new_copy_joins_the_split_of_its_image() -> None:
    rows = [row for name in SPLITS for row in images("a", 5, name) + images("b", 5, name)]
    assert by_path(split([*rows, ("copy", "a", "", "testa0")]))["copy"] == "test"


def test_every_image_keeps_its_split_while_the_data_grows_tenfold(tmp_path: Path) -> None:
    small = split_images(manifest(images("a", 20) + images("b", 30)), SplitConfig(), seed=1)
    remember(small, tmp_path / "splits")
    large = split(images("a", 200) + images("b", 300), seed=2, remembered=recall(tmp_path / "splits"))
    before, after = by_path(small.table), by_path(large)
    assert (after[before.index] == before).all()
    assert counts(large, "a") == {"train": 128, "validation": 32, "test": 40}
    assert counts(large, "b") == {"train": 192, "validation": 48, "test": 60}


@pytest.mark.parametrize("seed", range(6))
def test_linked_images_keep_their_split_or_are_left_out_when_the_data_grows(seed: int) -> None:
    whole = random_manifest(seed)
    part = whole.with_table(whole.table.sample(frac=0.5, random_state=seed))
    before = split_images(part, SplitConfig(), seed=1).table
    after = split_images(whole, SplitConfig(), seed=1, remembered=memory(before)).table
    pairs = set(zip(by_path(before), by_path(after)[before["path"]], strict=True))
    assert pairs <= {*zip(SPLITS, SPLITS, strict=True), ("train", EXCLUDED), ("validation", EXCLUDED)}
    for column in LINKS:
        kept = after[(after[column] != "") & (after["split"] != EXCLUDED)]
        assert (kept.groupby(column)["split"].nunique() == 1).all()


def test_a_test_image_stays_one_when_the_share_shrinks_unless_the_memory_is_off() -> None:
    rows = images("a", 100)
    remembered = memory(split(rows))
    assert counts(split(rows, test=0.1, remembered=remembered), "a")["test"] == 20
    assert counts(split(rows, test=0.1, remembered=remembered, sticky=False), "a")["test"] == 10


def test_a_class_that_cannot_reach_every_split_is_named_with_counts_and_the_reason() -> None:
    same = [("b/1", "b", "", "same", "", ""), ("b/2", "b", "", "same", "", "")]
    near: list[Row] = [
        ("c/1", "c", "", "1", "near", ""),
        ("c/2", "c", "", "2", "near", ""),
        ("c/3", "c", "", "3", "", ""),
    ]
    with pytest.raises(DataError) as error:
        split([*map(linked, images("a", 10)), *same, *near])
    message = str(error.value)
    assert "b (train 2, validation 0, test 0); c (train " in message
    assert "these 5 images are 3 sets that never part: copies of one image, near-duplicates" in message
    assert "images of one group" not in message


def test_groups_are_named_where_they_are_the_reason() -> None:
    rows = [linked(row, group=row[0][-1:] if row[0][-1] < "2" else "0") for row in images("a", 10)]
    with pytest.raises(DataError, match=r"these 10 images are 2 sets .*images of one group"):
        split(rows)


def test_the_memory_is_named_where_it_may_be_the_reason() -> None:
    rows = images("a", 10)
    with pytest.raises(DataError, match=r"a \(train 10, validation 0, test 0\).*config\.split\.sticky"):
        split(rows, remembered={row[3]: "train" for row in rows})


@pytest.mark.parametrize(("validation", "test"), ((0.0, 0.2), (0.2, 0.0)))
def test_a_share_of_zero_is_refused_where_the_data_has_no_such_split(validation: float, test: float) -> None:
    with pytest.raises(DataError, match=r"config\.split"):
        split(images("a", 10) + images("b", 10), validation=validation, test=test)


def test_a_class_that_a_given_split_lacks_is_only_reported(caplog: pytest.LogCaptureFixture) -> None:
    rows = [row for name in SPLITS for row in images("a", 5, name)] + images("b", 5, "train")
    with caplog.at_level(logging.WARNING):
        assert counts(split(rows), "b") == {"train": 5}
    assert "b (train 5, validation 0, test 0)" in caplog.text


def test_doubtful_labels_leave_train_alone() -> None:
    rows = [row for name in SPLITS for row in images("a", 3, name)]
    whole = manifest(rows)
    doubted = whole.with_table(whole.table.assign(has_label_issue=[True, False, False] * 3))
    table = exclude_doubtful_labels(doubted).table
    assert counts(table, "a") == {"train": 2, EXCLUDED: 1, "validation": 3, "test": 3}
    assert exclude_doubtful_labels(whole).table.equals(whole.table)


def test_a_class_whose_training_labels_are_all_doubted_is_named() -> None:
    whole = manifest([row for name in SPLITS for row in images("a", 3, name) + images("b", 3, name)])
    doubted = whole.with_table(whole.table.assign(has_label_issue=whole.table["label"] == "b"))
    with pytest.raises(DataError, match=r"1 classes: b; .*config\.quality\.policies\.label_issues: warn"):
        exclude_doubtful_labels(doubted)


@pytest.mark.slow
@pytest.mark.skipif(not FLOWERS.is_dir(), reason="the flower pictures are not in ../shared/data/flowers")
def test_flowers_are_split_by_content_and_class() -> None:
    files = sorted(FLOWERS.rglob("*.jpg"))
    hashes = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    rows: list[Row] = [
        (str(file), file.parent.name, "", sha256) for file, sha256 in zip(files, hashes, strict=True)
    ]
    table = split(rows)
    assert table.groupby("sha256")["split"].nunique().max() == 1
    shares = pd.crosstab(table["label"], table["split"], normalize="index")
    assert shares["test"].to_numpy() == pytest.approx(0.2, abs=0.002)
    assert shares["validation"].to_numpy() == pytest.approx(0.16, abs=0.002)
