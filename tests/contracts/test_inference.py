"""Proposed contracts: they hold on the set they come from, and notice what is quite other."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data_contracts.breaches import ValidationReport
from data_contracts.contract_file import Contract, ContractFileError, read_contract
from data_contracts.inference import infer_contracts, write_contract
from data_contracts.proposals import MEASURED
from data_contracts.validation import validate_tables
from vision.manifest import COLUMNS

HOSTILE_NAMES = ("no", "1.0", "a b", "c*(d", "ä\u00df", "x-y")


def manifest_of(labels: list[str]) -> pd.DataFrame:
    """Readable images with these labels; the columns that no proposal looks at are blank."""
    number = [str(row) for row in range(len(labels))]
    columns = dict.fromkeys(COLUMNS, "") | {"path": number, "label": labels, "is_readable": True}
    return pd.DataFrame(columns)


def photos(count: int = 400, *, seed: int = 0) -> pd.DataFrame:
    """What dark-ish photos of one camera measure; one is odd in everything."""
    random = np.random.default_rng(seed)
    width, height = random.integers(500, 900, (2, count))
    table = pd.DataFrame(
        {
            "path": [f"{row}.jpg" for row in range(count)],
            "format": "JPEG",
            "mode": "RGB",
            "width": width,
            "height": height,
            "aspect_ratio": np.maximum(width, height) / np.minimum(width, height),
            "size_bytes": random.integers(40_000, 90_000, count),
            "brightness": random.beta(8, 16, count),
            "contrast": random.beta(20, 80, count),
            "sharpness": random.lognormal(6, 0.5, count),
            "entropy": random.normal(6.5, 0.3, count),
        }
    )
    table.loc[0, ["brightness", "sharpness"]] = [0.99, 1e6]
    return table


def breaches(contracts: Mapping[str, Contract], tables: dict[str, pd.DataFrame], folder: Path) -> set[str]:
    """The columns of the expectations that do not hold."""
    checked = {name: (table, contracts[name]) for name, table in tables.items()}
    report: ValidationReport = validate_tables(checked, docs_folder=folder / "docs")
    return {breach.column for breach in report.breaches}


def degenerate(count: int) -> pd.DataFrame:
    """Constant, two-valued, long-tailed and, all at both ends, tied values."""
    tied = np.where(np.arange(count) == 0, 0.1, np.where(np.arange(count) == 1, 0.9, 0.5))
    return photos(count).assign(
        width=16,
        height=[8, 16] * (count // 2),
        sharpness=np.geomspace(1e-9, 1e9, count),
        contrast=tied,
        brightness=0.0,
        entropy=8.0,
    )


@pytest.mark.parametrize(
    "images", [photos(), degenerate(12), degenerate(100), degenerate(200)], ids=["photos", "12", "100", "200"]
)
def test_a_proposal_holds_on_the_set_it_comes_from(images: pd.DataFrame, tmp_path: Path) -> None:
    labels = [HOSTILE_NAMES[row % 6] for row in range(len(images))]
    tables = {"manifest": manifest_of(labels), "images": images}
    for name, contract in infer_contracts(tables).items():
        write_contract(contract, tmp_path / f"{name}.yaml", images=12, revision="r", day=date(2026, 1, 2))
    contracts = {name: read_contract(tmp_path / f"{name}.yaml") for name in tables}
    assert breaches(contracts, tables, tmp_path) == set()
    assert set(MEASURED) <= {entry["kwargs"]["column"] for entry in contracts["images"]["expectations"]}


def test_a_new_set_of_the_same_kind_is_no_breach(tmp_path: Path) -> None:
    contracts = infer_contracts({"images": photos()})
    assert breaches(contracts, {"images": photos(seed=1)}, tmp_path) == set()


@pytest.mark.parametrize(
    ("changed", "columns"),
    [
        (photos().assign(brightness=lambda table: 1 - table["brightness"]), {"brightness"}),
        (
            photos().assign(
                brightness=lambda table: table["brightness"] / 10,
                contrast=lambda table: table["contrast"] / 10,
            ),
            {"brightness", "contrast"},
        ),
        (
            photos().assign(width=64, height=64, aspect_ratio=1.0, size_bytes=2_000),
            {"width", "height", "size_bytes", "aspect_ratio"},
        ),
        (photos().assign(format="PNG", mode="L"), {"format", "mode"}),
    ],
    ids=["inverted", "dark", "other sizes", "other files"],
)
def test_images_of_another_kind_breach(changed: pd.DataFrame, columns: set[str], tmp_path: Path) -> None:
    contracts = infer_contracts({"images": photos()})
    assert breaches(contracts, {"images": changed}, tmp_path) == columns


@pytest.mark.parametrize(
    ("labels", "expectation"),
    [
        (["cat", "dog"] * 49 + ["bird"] * 2, "expect_column_values_to_be_in_set"),
        (["cat"] * 100, "expect_column_distinct_values_to_contain_set"),
        (["cat"] * 80 + ["dog"] * 20, "expect_column_kl_divergence_to_be_less_than"),
        (["cat", "dog"] * 20, "expect_table_row_count_to_be_between"),
    ],
)
def test_labels_of_another_kind_breach(labels: list[str], expectation: str, tmp_path: Path) -> None:
    contract = infer_contracts({"manifest": manifest_of(["cat", "dog"] * 50)})["manifest"]
    report = validate_tables({"manifest": (manifest_of(labels), contract)}, docs_folder=tmp_path / "docs")
    assert expectation in {breach.expectation for breach in report.breaches}


@pytest.mark.parametrize(
    ("label", "is_known"), [("a b|x-y", True), ("", True), ("a b|y", False), ("a b|", False), ("a", False)]
)
def test_a_multi_label_set_may_combine_the_labels_seen(label: str, is_known: bool, tmp_path: Path) -> None:
    seen = manifest_of(["a b", "c*(d|x-y", "", *HOSTILE_NAMES] * 3)
    contracts = infer_contracts({"manifest": seen}, is_multi_label=True)
    changed = manifest_of([*seen["label"], label])
    assert breaches(contracts, {"manifest": changed}, tmp_path) == (set() if is_known else {"label"})


def test_images_without_a_label_are_refused_where_none_was_seen(tmp_path: Path) -> None:
    contracts = infer_contracts({"manifest": manifest_of(["a", "a|b"] * 6)}, is_multi_label=True)
    assert breaches(contracts, {"manifest": manifest_of(["a", "b", ""] * 5)}, tmp_path) == {"label"}


def test_ranges_are_percentiles_widened_by_the_interquartile_range() -> None:
    # 1001 values 0, 0.001 .. 1: percentiles 0.5, 25, 75, 99.5 are 0.005, 0.25, 0.75, 0.995.
    table = pd.DataFrame({"sharpness": np.arange(1001) / 1000})
    *_, between, median = infer_contracts({"images": table})["images"]["expectations"]
    assert between["kwargs"] == {"column": "sharpness", "mostly": 0.99, "min_value": 0, "max_value": 1.5}
    assert median["kwargs"] == {"column": "sharpness", "min_value": 0.25, "max_value": 0.75}


def test_writing_is_deterministic_and_says_where_it_comes_from(tmp_path: Path) -> None:
    contract = infer_contracts({"manifest": manifest_of(["犬", "cat"] * 10)})["manifest"]
    for name in ("new/one.yaml", "two.yaml"):
        write_contract(contract, tmp_path / name, images=4317, revision="ab" * 32, day=date(2026, 1, 2))
    text = (tmp_path / "new/one.yaml").read_text()
    assert text == (tmp_path / "two.yaml").read_text()
    assert text.startswith("# Proposed from 4,317 images of revision abababababab on 2026-01-02.\n")
    assert "config.contracts.manifest" in text
    assert "&id" not in text
    assert read_contract(tmp_path / "two.yaml") == contract


def test_a_reviewed_contract_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "manifest.yaml"
    path.write_text("reviewed")
    contract = infer_contracts({"manifest": manifest_of(["a", "b"])})["manifest"]
    with pytest.raises(ContractFileError, match="may have been reviewed"):
        write_contract(contract, path, images=2, revision="r", day=date(2026, 1, 2))
    assert path.read_text() == "reviewed"
    write_contract(contract, path, images=2, revision="r", day=date(2026, 1, 2), overwrite=True)
    assert read_contract(path) == contract


def test_what_cannot_be_proposed_is_said(tmp_path: Path) -> None:
    with pytest.raises(ContractFileError, match='for "predictions": tables are manifest, images'):
        infer_contracts({"predictions": photos()})
    with pytest.raises(ContractFileError, match="from images: it has no rows"):
        infer_contracts({"images": photos().head(0)})
    with pytest.raises(ContractFileError, match="cannot be written: Is a directory"):
        write_contract({"name": "x"}, tmp_path, images=0, revision="", day=date(2026, 1, 2), overwrite=True)
