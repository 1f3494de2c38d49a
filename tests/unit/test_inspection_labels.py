"""Which labels are doubted, and who may vouch for whom."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from vision.inspection.label_issues import judge_labels
from vision.inspection.out_of_fold import out_of_fold_probabilities
from vision.manifest import Manifest

CLASSES = ("apple", "pear", "plum")


def manifest(labels: list[str], *, multi: bool = False, **columns: object) -> Manifest:
    numbers = [f"{number:04d}" for number in range(len(labels))]
    table = pd.DataFrame({"path": numbers, "label": labels, "split": "", "sha256": numbers, "cluster": ""})
    return Manifest("data", table.assign(**columns), is_multi_label=multi)  # type: ignore[arg-type]


def separate(count: int = 40) -> tuple[list[str], NDArray[np.float32]]:
    """Labels and an embedding in which each class is a heap of its own."""
    kinds = np.arange(count * len(CLASSES)) % len(CLASSES)
    noise = np.random.default_rng(0).normal(0, 0.3, (len(kinds), 8))
    return [CLASSES[kind] for kind in kinds], (np.eye(8)[kinds] * 3 + noise).astype(np.float32)


def test_a_wrong_label_is_doubted_and_the_right_one_suggested() -> None:
    labels, embedding = separate()
    labels[6], labels[10] = "plum", "apple"  # an apple and a pear
    judgement = judge_labels(manifest(labels), embedding, folds=5, seed=1)
    table = judgement.table
    assert np.flatnonzero(table["has_label_issue"]).tolist() == [6, 10]
    assert table["suggested_label"][[6, 10]].tolist() == ["apple", "pear"]
    assert (table["suggested_label"].drop([6, 10]) == "").all()
    assert set(table["label_score"].nsmallest(2).index) == {6, 10}
    assert judgement.out_of_fold_accuracy == pytest.approx(118 / 120)


def test_the_order_of_the_rows_does_not_matter() -> None:
    labels, embedding = separate()
    labels[6] = "plum"
    ordered = manifest(labels)
    order = np.random.default_rng(1).permutation(len(labels))
    shuffled = ordered.with_table(ordered.table.iloc[order])
    first = judge_labels(ordered, embedding, folds=5, seed=1).table.iloc[order].reset_index(drop=True)
    pd.testing.assert_frame_equal(judge_labels(shuffled, embedding[order], folds=5, seed=1).table, first)


def test_no_row_is_judged_by_its_own_unit() -> None:
    # The two rows of a unit have a direction of their own: only one of them could tell of the other.
    units = np.repeat(np.arange(20), 2).astype(str)
    labels = np.repeat(np.random.default_rng(0).permutation(20) % 2, 2)
    embedding = np.eye(20, dtype=np.float32)[np.repeat(np.arange(20), 2)]
    judged = out_of_fold_probabilities(embedding, labels, units=units, folds=5, seed=1)
    alone = out_of_fold_probabilities(embedding, labels, units=np.arange(40).astype(str), folds=5, seed=1)
    assert (judged.argmax(axis=1) == labels).mean() <= 0.5
    assert (alone.argmax(axis=1) == labels).mean() > 0.7


def test_rare_classes_and_excluded_rows_are_not_judged() -> None:
    labels, embedding = separate()
    labels[0:3] = ["fig", "fig", "fig"]
    split = ["excluded" if place == 9 else "" for place in range(len(labels))]
    table = judge_labels(manifest(labels, split=split), embedding, folds=5, seed=1).table
    assert (table["label_score"][[0, 1, 2, 9]] == 1.0).all()
    assert (table["label_score"].drop([0, 1, 2, 9]) < 1.0).all()


def test_copies_do_not_make_a_rare_class_common() -> None:
    labels, embedding = separate()
    labels[:10] = ["fig"] * 10
    cluster = ["copies" if place < 7 else "" for place in range(len(labels))]
    table = judge_labels(manifest(labels, cluster=cluster), embedding, folds=5, seed=1).table
    assert (table["label_score"][:10] == 1.0).all()


@pytest.mark.parametrize("labels", [[], ["apple"], ["apple"] * 30, ["apple", "pear"] * 4])
def test_too_little_to_judge_is_not_judged(labels: list[str]) -> None:
    judgement = judge_labels(manifest(labels), np.zeros((len(labels), 4), np.float32), folds=5, seed=1)
    assert judgement.out_of_fold_accuracy is None
    assert len(judgement.table) == len(labels)
    assert not judgement.table["has_label_issue"].any()


def test_units_under_several_labels_are_judged_all_the_same() -> None:
    # Five images, each three times under another label: no class has a unit of its own.
    units = np.tile(np.arange(5), 3).astype(str)
    labels, embedding = [CLASSES[place // 5] for place in range(15)], np.eye(5, dtype=np.float32)
    judgement = judge_labels(manifest(labels, cluster=units), np.tile(embedding, (3, 1)), folds=5, seed=1)
    assert (judgement.table["label_score"] < 1.0).all()
    assert not judgement.table["has_label_issue"].any()


def test_a_classifier_that_knows_nothing_doubts_nothing(caplog: pytest.LogCaptureFixture) -> None:
    labels, _ = separate()
    noise = np.random.default_rng(0).normal(size=(len(labels), 8)).astype(np.float32)
    with caplog.at_level(logging.WARNING):
        judgement = judge_labels(manifest(labels), noise, folds=5, seed=1)
    assert not judgement.table["has_label_issue"].any()
    assert judgement.out_of_fold_accuracy is not None and judgement.out_of_fold_accuracy < 0.6
    assert "config.quality.embedding" in caplog.text


def test_a_class_too_many_is_doubted_in_a_multi_label_set() -> None:
    random = np.random.default_rng(0)
    given = random.random((200, 3)) < 0.5
    embedding = (given @ np.eye(3, 8) * 4 + random.normal(0, 0.3, (200, 8))).astype(np.float32)
    labels = ["|".join(np.array(CLASSES)[row]) for row in given]
    labels[0] = "|".join(sorted({*filter(None, labels[0].split("|"))} ^ {"pear"}))
    judgement = judge_labels(manifest(labels, multi=True), embedding, folds=5, seed=1)
    assert np.flatnonzero(judgement.table["has_label_issue"]).tolist() == [0]
    assert judgement.table["suggested_label"][0] == "|".join(np.array(CLASSES)[given[0]])
    assert judgement.out_of_fold_accuracy == pytest.approx(599 / 600)


def test_a_class_that_all_images_have_is_no_matter_of_doubt() -> None:
    random = np.random.default_rng(0)
    given = random.random((100, 3)) < 0.5
    embedding = (given @ np.eye(3, 8) * 4 + random.normal(0, 0.3, (100, 8))).astype(np.float32)
    labels = ["|".join(["all", *np.array(CLASSES)[row]]) for row in given]
    table = judge_labels(manifest(labels, multi=True), embedding, folds=5, seed=1).table
    assert not table["has_label_issue"].any()
    assert (table["label_score"] < 1.0).all()
