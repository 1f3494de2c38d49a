"""The whole inspection of small sets: every column, and the sets at the edge."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from vision.image_array import ShardedImages
from vision.inspection import Inspection, inspect_images
from vision.inspection.flags import flag_copies
from vision.manifest import COLUMNS, INSPECTED, ISSUES, MEASURED, Manifest
from vision.quality_config import QualityConfig, QualityPolicies

Pixels = NDArray[np.uint8]
WITHOUT_LABELS = QualityConfig(policies=QualityPolicies(label_issues="ignore"))
KIND = {"split": "", "group": "", "size_bytes": 1, "format": "PNG", "mode": "RGB"}
READABLE = KIND | {"width": 64, "height": 64, "is_readable": True, "reason": ""}
UNREADABLE: dict[str, object] = {"sha256": "", "is_readable": False, "reason": "empty image"}


def pictures(count: int) -> Pixels:
    coarse = np.random.default_rng(0).integers(20, 235, (count, 8, 8, 3)).astype(np.uint8)
    return np.stack([cv2.resize(image, (64, 64), interpolation=cv2.INTER_LINEAR) for image in coarse])


def manifest(rows: Sequence[dict[str, object]], *, multi: bool = False) -> Manifest:
    filled = [
        {"path": f"{place:03d}.png", "label": "a", "sha256": name(place), **READABLE, **row}
        for place, row in enumerate(rows)
    ]
    table = pd.DataFrame(filled, columns=list(COLUMNS)).astype({"is_readable": bool})
    return Manifest("data", table, is_multi_label=multi)


def name(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def inspect(found: Manifest, images: Pixels, config: QualityConfig = WITHOUT_LABELS) -> Inspection:
    return inspect_images(found, images, config=config, seed=1)


def test_every_column_has_its_type_and_the_others_stay() -> None:
    found = manifest([{}, {}, {}])
    table = inspect(found, pictures(3)).manifest.table
    assert list(table) == [*COLUMNS, *INSPECTED]
    pd.testing.assert_frame_equal(table[list(COLUMNS)], found.table)
    assert {str(table[column].dtype) for column in ISSUES.values()} == {"bool"}
    assert {str(table[column].dtype) for column in (*MEASURED, "label_score")} == {"float64"}
    assert {str(table[column].dtype) for column in ("cluster", "suggested_label")} == {"str"}


def test_unreadable_rows_are_passed_over() -> None:
    found = manifest([UNREADABLE, {}, UNREADABLE, {}])
    images = np.stack([np.full((64, 64, 3), 0, np.uint8), pictures(1)[0]])
    table = inspect(found, images).manifest.table
    assert table["is_dark"].tolist() == [False, True, False, False]
    assert (table["brightness"] > 0).tolist() == [False, False, False, True]
    assert not table[["is_exact_duplicate", "has_label_conflict"]].any(axis=None)
    assert table["cluster"].tolist() == [""] * 4


@pytest.mark.parametrize("rows", [[], [UNREADABLE]])
def test_a_set_without_images_has_the_columns(rows: list[dict[str, object]]) -> None:
    inspection = inspect(manifest(rows), np.empty((0, 64, 64, 3), np.uint8), QualityConfig())
    assert list(inspection.manifest.table) == [*COLUMNS, *INSPECTED]
    assert len(inspection.manifest.table) == len(rows)
    assert inspection.out_of_fold_accuracy is None


@pytest.mark.parametrize("multi", [False, True])
def test_one_image_is_a_set(multi: bool) -> None:
    inspection = inspect(manifest([{}], multi=multi), pictures(1), QualityConfig())
    assert not inspection.manifest.table[list(ISSUES.values())].any(axis=None)
    assert inspection.out_of_fold_accuracy is None


def test_copies_near_copies_and_conflicts_are_flagged() -> None:
    images = pictures(3)[[0, 0, 1, 0, 2]]
    images[3] = np.clip(images[3].astype(int) + 6, 0, 255)  # a little brighter, other bytes
    same: dict[str, object] = {"sha256": name(0)}
    table = inspect(manifest([same, same | {"label": "b"}, {}, {}, {}]), images).manifest.table
    assert table["cluster"].tolist() == [min(name(0), name(3))[:12]] * 2 + ["", table["cluster"][0], ""]
    assert table["is_exact_duplicate"].tolist() == [False, True, False, False, False]
    assert table["is_near_duplicate"].tolist() == [False, False, False, True, False]
    assert table["has_label_conflict"].tolist() == [True, True, False, False, False]


def test_the_most_held_out_copy_is_kept_and_then_the_first_path() -> None:
    splits = ["train", "validation", "test", "", "excluded", "train"]
    rows = {"path": list("bcdaef"), "split": splits, "label": "a", "cluster": "c"}
    table = pd.DataFrame(rows | {"sha256": list("xxxxxy")}, index=[5, 4, 3, 2, 1, 0])
    flags = flag_copies(table)
    assert flags.index.tolist() == [5, 4, 3, 2, 1, 0]
    assert flags["is_exact_duplicate"].tolist() == [True, True, False, True, True, False]
    assert flags["is_near_duplicate"].tolist() == [False, False, False, False, False, True]
    unsplit = flag_copies(table.assign(split=""))
    assert unsplit["is_exact_duplicate"].tolist() == [True, True, True, False, True, False]


def test_a_planted_label_error_is_found_among_pictures() -> None:
    kinds = np.arange(60) % 2
    stripes = np.where(kinds[:, None, None], np.indices((64, 64))[0] % 16, np.indices((64, 64))[1] % 16)
    noise = np.random.default_rng(0).integers(0, 60, (60, 64, 64, 3))
    images = (stripes[..., None] * 12 + noise).astype(np.uint8)
    labels = ["ab"[kind] for kind in kinds]
    labels[7] = "a"
    inspection = inspect(manifest([{"label": label} for label in labels]), images, QualityConfig())
    assert np.flatnonzero(inspection.manifest.table["has_label_issue"]).tolist() == [7]
    assert inspection.manifest.table["suggested_label"][7] == "b"
    assert inspection.out_of_fold_accuracy == pytest.approx(59 / 60)


def test_labels_are_left_alone_where_they_are_to_be_ignored() -> None:
    table = inspect(
        manifest([{"label": "ab"[place % 2]} for place in range(20)]), pictures(20)
    ).manifest.table
    assert (table["label_score"] == 1.0).all()


def test_shards_are_as_good_as_an_array(tmp_path: Path) -> None:
    images = pictures(6)
    files = [tmp_path / "last.npy", tmp_path / "first.npy"]
    np.save(files[0], images[3:])
    np.save(files[1], images[:3])
    shards, rows = np.repeat([1, 0], 3), np.tile(np.arange(3), 2)
    sharded = ShardedImages(files, shards=shards, rows=rows, image_shape=(64, 64, 3))
    found = manifest([{"label": "ab"[place % 2]} for place in range(6)])
    expected = inspect(found, images, QualityConfig()).manifest.table
    inspected = inspect_images(found, sharded, config=QualityConfig(), seed=1).manifest.table
    pd.testing.assert_frame_equal(inspected, expected)


def test_an_image_too_few_is_our_own_mistake() -> None:
    with pytest.raises(AssertionError):
        inspect(manifest([{}, {}]), pictures(1))
