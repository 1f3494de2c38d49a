"""Each expectation of the default contracts with a good and a bad table, and what is made of a breach."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from data_contracts.validation import Contract, ContractFileError, ValidationReport, validate_tables
from vision.manifest import COLUMNS, EXCLUDED, REVIEWED, SPLITS

CONTRACTS = Path(__file__).parents[2] / "data_contracts"
DEFAULTS = {name: CONTRACTS / f"{name}.yaml" for name in ("manifest", "images")}


def good_table() -> pd.DataFrame:
    """Twelve images that keep every expectation of both contracts."""
    rows = range(12)
    return pd.DataFrame(
        {
            "path": [f"{number}.png" for number in rows],
            "label": ["a", "b"] * 6,
            "split": ["", "train", "validation", "test"] * 3,
            "group": "",
            "sha256": [f"hash{number}" for number in rows],
            "size_bytes": 100,
            "format": "PNG",
            "mode": "L",
            "width": 8,
            "height": [8 + number for number in rows],
            "brightness": [0.3 + number / 100 for number in rows],
            "contrast": 0.2,
            "sharpness": 50.0,
            "is_readable": True,
            "reason": "",
            "aspect_ratio": 1.5,
        }
    )


def validate(table: pd.DataFrame, contract: Path | Contract, folder: Path) -> ValidationReport:
    return validate_tables({"table": (table, contract)}, docs_folder=folder / "docs")


def change(column: str, value: Any) -> pd.DataFrame:
    """The good table with another value in its row 3."""
    table = good_table()
    table[column] = table[column].astype(object)
    table.loc[3, column] = value
    return table


def unreadable(count: int) -> pd.DataFrame:
    """The good table with its first rows unreadable, one of which is cut short."""
    table = good_table()
    return table.assign(is_readable=table.index >= count, reason=["cut short"] + [""] * 11)


# (contract, expectation, column, bad table, the rows that are to be named)
BAD = [
    ("manifest", "expect_table_columns_to_match_set", "", good_table().drop(columns="reason"), ()),
    ("manifest", "expect_table_row_count_to_be_between", "", good_table().head(9), ()),
    ("manifest", "expect_column_values_to_not_be_null", "path", change("path", None), ("None",)),
    ("manifest", "expect_column_values_to_be_unique", "path", change("path", "0.png"), ("0.png",)),
    ("manifest", "expect_column_values_to_not_be_null", "label", change("label", None), ("3.png",)),
    (
        "manifest",
        "expect_column_unique_value_count_to_be_between",
        "label",
        good_table().assign(label="a"),
        (),
    ),
    ("manifest", "expect_column_values_to_be_in_set", "split", change("split", "dev"), ("3.png",)),
    (
        "manifest",
        "expect_column_values_to_be_in_set",
        "is_readable",
        change("is_readable", False),
        ("3.png",),
    ),
    (
        "manifest",
        "expect_column_values_to_be_in_set",
        "is_readable",
        unreadable(2),
        ("0.png", "1.png"),
    ),
    ("images", "expect_column_values_to_be_between", "width", change("width", 20_001), ("3.png",)),
    ("images", "expect_column_values_to_be_between", "height", change("height", 0), ("3.png",)),
    ("images", "expect_column_values_to_be_between", "size_bytes", change("size_bytes", 0), ("3.png",)),
    ("images", "expect_column_values_to_be_in_set", "format", change("format", "PCX"), ("3.png",)),
    ("images", "expect_column_values_to_be_between", "aspect_ratio", change("aspect_ratio", 4.1), ("3.png",)),
    (
        "images",
        "expect_column_unique_value_count_to_be_between",
        "brightness",
        good_table().assign(brightness=0.5),
        (),
    ),
]


def listed(contract: str) -> list[tuple[str, str, str]]:
    entries = yaml.safe_load(DEFAULTS[contract].read_text())["expectations"]
    return [(contract, entry["type"], entry["kwargs"].get("column", "")) for entry in entries]


def test_every_expectation_has_a_bad_table() -> None:
    assert [case[:3] for case in BAD] == [entry for contract in DEFAULTS for entry in listed(contract)]


@pytest.mark.parametrize("contract", DEFAULTS)
def test_the_good_table_keeps_every_expectation(contract: str, tmp_path: Path) -> None:
    report = validate(good_table(), DEFAULTS[contract], tmp_path)
    assert report.breaches == ()
    assert "all data contracts hold" in report.summary()


@pytest.mark.parametrize(
    ("contract", "expectation", "column", "table", "rows"), BAD, ids=[f"{c[1]}-{c[2]}" for c in BAD]
)
def test_a_bad_table_breaks_the_expectation_and_names_the_rows(
    contract: str, expectation: str, column: str, table: pd.DataFrame, rows: tuple[str, ...], tmp_path: Path
) -> None:
    report = validate(table, DEFAULTS[contract], tmp_path)
    broken = {(breach.expectation, breach.column): breach for breach in report.breaches}
    assert broken[expectation, column].rows == rows
    assert list(broken) == [(expectation, column)]


def test_the_manifest_contract_knows_the_manifest() -> None:
    entries = yaml.safe_load(DEFAULTS["manifest"].read_text())["expectations"]
    columns, splits = entries[0]["kwargs"]["column_set"], entries[-3]["kwargs"]["value_set"]
    assert columns == list(COLUMNS)
    assert splits == ["", *SPLITS, EXCLUDED, REVIEWED]


def test_a_few_unreadable_files_are_left_out_and_do_not_stop(tmp_path: Path) -> None:
    report = validate(unreadable(1), DEFAULTS["manifest"], tmp_path)  # 1 of 12 is less than a tenth
    assert report.critical == ()
    assert report.quarantine["path"].tolist() == ["0.png"]
    assert report.quarantine["reason"].str.endswith("remove them (cut short)").all()
    assert "quarantined: table.is_readable" in report.summary()
    assert "0.png (cut short)" in report.summary()
    assert "0.png (cut short)" in report.docs_index.read_text()


def test_many_unreadable_files_stop(tmp_path: Path) -> None:
    report = validate(unreadable(2), DEFAULTS["manifest"], tmp_path)
    assert [breach.column for breach in report.critical] == ["is_readable"]
    assert "critical: table.is_readable: more than a tenth" in report.summary()
    assert "0.png (cut short)" in report.summary()


def test_images_without_a_label_are_legal_in_a_multi_label_set(tmp_path: Path) -> None:
    table = good_table().assign(label=["a", "", "a|b"] * 4)
    assert validate(table, DEFAULTS["manifest"], tmp_path).breaches == ()


def test_quarantine_that_names_no_row_stops(tmp_path: Path) -> None:
    report = validate(good_table().drop(columns="is_readable"), DEFAULTS["manifest"], tmp_path)
    unchecked = next(breach for breach in report.critical if breach.column == "is_readable")
    assert "could not be checked" in unchecked.message
    assert report.quarantined == {}


def test_a_contract_may_come_from_code(tmp_path: Path) -> None:
    entry = {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "mode", "value_set": ["RGB"]}}
    report = validate(good_table(), {"name": "code", "expectations": [entry]}, tmp_path)
    assert len(report.breaches[0].rows) == 12
    with pytest.raises(ContractFileError, match="the contract on table: expectation 1 has no type"):
        validate(good_table(), {"name": "code", "expectations": [{}]}, tmp_path)


def test_two_bounds_on_one_column_both_count(tmp_path: Path) -> None:
    # Great Expectations' own way of adding one after the other would keep the last alone.
    bounds = ({"max_value": 10}, {"max_value": 10, "mostly": 0.1})
    kind = "expect_column_values_to_be_between"
    entries = [{"type": kind, "kwargs": {"column": "height"} | bound} for bound in bounds]
    report = validate(good_table(), {"name": "code", "expectations": entries}, tmp_path)
    assert len(report.breaches) == 1


def test_warnings_do_not_stop(tmp_path: Path) -> None:
    report = validate(change("aspect_ratio", 5.0), DEFAULTS["images"], tmp_path)
    assert report.critical == ()
    assert "warning: table.aspect_ratio" in report.summary()


def test_summary_shortens_long_lists_of_rows(tmp_path: Path) -> None:
    report = validate(good_table().assign(width=0), DEFAULTS["images"], tmp_path)
    assert "[12 rows: 0.png, 1.png and 10 more]" in report.summary(limit=2)


def test_docs_need_no_network_and_replace_the_old_ones(tmp_path: Path) -> None:
    tables = {name: (good_table(), path) for name, path in DEFAULTS.items()}
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/old.html").touch()
    report = validate_tables(tables, docs_folder=tmp_path / "docs")
    assert [path.name for path in tmp_path.iterdir()] == ["docs"]
    assert not (tmp_path / "docs/old.html").exists()
    links = re.findall(r'href="([^"]+)"', report.docs_index.read_text())
    assert len(links) == 2
    assert all((tmp_path / "docs" / link).is_file() for link in links)
    for page in (tmp_path / "docs").rglob("*.html"):
        assert not re.search(r"<(script|link|img)\b", page.read_text())


def contract_with(folder: Path, text: str) -> Path:
    path = folder / "contract.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name: [", "is not YAML"),
        ("just text", "is no contract: it holds str"),
        ("name: x", "needed are name, expectations"),
        ("name: x\nexpectations: []", "at least one"),
        ("name: x\nexpectations: [{kwargs: {}}]", "expectation 1 has no type"),
        ("name: x\nexpectations: [{type: expect_magic, kwargs: {}}]", "expect_magic not found"),
        (
            "name: x\nexpectations: [{type: expect_column_values_to_be_unique, kwargs: {}}]",
            "column field required",
        ),
        ("name: x\nexpectations: [{type: expect_column_values_to_be_unique, sverity: x}]", "sverity"),
        (
            "name: x\nexpectations: [{type: expect_column_max_to_be_between, kwargs: {}, severity: high}]",
            "Invalid severity 'high'",
        ),
    ],
)
def test_a_contract_that_is_wrong_is_refused_with_its_place(text: str, words: str, tmp_path: Path) -> None:
    path = contract_with(tmp_path, text)
    with pytest.raises(ContractFileError, match=re.escape(words)) as caught:
        validate(good_table(), path, tmp_path)
    assert str(path) in str(caught.value)


def test_a_contract_that_is_missing_says_where_to_set_it(tmp_path: Path) -> None:
    with pytest.raises(ContractFileError, match=r"config\.contracts"):
        validate(good_table(), tmp_path / "nowhere.yaml", tmp_path)
