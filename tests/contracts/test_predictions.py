"""The contract on the service's answers: each expectation with a bad table."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import yaml

from data_contracts.breaches import ValidationReport
from data_contracts.validation import validate_tables

LEGAL = 6
CONTRACT = Path(__file__).parents[2] / "data_contracts" / "predictions.yaml"


def answers() -> pd.DataFrame:
    """Six answers, one of each kind that is legal: four of one class, two of several labels."""
    return pd.DataFrame(
        {
            "path": [f"{number}.png" for number in range(LEGAL)],
            "task": ["multi_class"] * 4 + ["multi_label"] * 2,
            "class": ["cat", "dog", "", "cat", "cat|dog", ""],
            "confidence": [0.0, 1.0, 0.5, 0.998, 0.98, 0.1],
            "lowest_probability": [0.0, 0.0, 0.2, 0.001, 0.97, 0.0],
            "probability_sum": [1.0, 0.9991, 1.0009, 1.0, 2.9, 0.15],
            "model": "pets",
            "version": 3,
            "milliseconds": [0.0, 2.1, 1.9, 500.0, 2.0, 2.0],
        }
    )


# (expectation, column, a value that breaks it, severity), in the order of the contract
BAD = [
    ("expect_column_values_to_not_be_null", "task", None, "critical"),
    ("expect_column_values_to_be_in_set", "task", "regression", "critical"),
    ("expect_column_values_to_not_be_null", "class", None, "critical"),
    ("expect_column_values_to_not_be_null", "confidence", None, "critical"),
    ("expect_column_values_to_be_between", "confidence", 1.01, "critical"),
    ("expect_column_values_to_not_be_null", "lowest_probability", None, "critical"),
    ("expect_column_values_to_be_between", "lowest_probability", -0.01, "critical"),
    ("expect_column_values_to_not_be_null", "probability_sum", None, "critical"),
    ("expect_column_values_to_be_between", "probability_sum", 0.98, "critical"),
    ("expect_column_values_to_not_be_null", "model", None, "critical"),
    ("expect_column_values_to_not_be_null", "version", None, "critical"),
    ("expect_column_values_to_be_between", "milliseconds", -0.1, "warning"),
]


def validate(table: pd.DataFrame, folder: Path) -> ValidationReport:
    return validate_tables({"predictions": (table, CONTRACT)}, docs_folder=folder / "docs")


def bad_answers() -> pd.DataFrame:
    """Good answers, then one for each row of BAD."""
    table = pd.concat([answers(), *[answers().head(1)] * len(BAD)], ignore_index=True).astype(object)
    for row, (_, column, value, _) in enumerate(BAD, start=LEGAL):
        table.loc[row, ["path", column]] = [f"bad{row}.png", value]
    return table


def test_every_expectation_on_a_column_has_a_bad_answer() -> None:
    entries = yaml.safe_load(CONTRACT.read_text())["expectations"]
    listed = [(entry["type"], entry["kwargs"].get("column")) for entry in entries]
    assert listed[2:] == [case[:2] for case in BAD]


def test_good_answers_keep_the_contract(tmp_path: Path) -> None:
    assert validate(answers(), tmp_path).breaches == ()


def test_each_bad_answer_breaks_its_expectation_alone(tmp_path: Path) -> None:
    found = [
        (b.expectation, b.column, b.rows, b.severity) for b in validate(bad_answers(), tmp_path).breaches
    ]
    expected = [
        (kind, column, (f"bad{row}.png",), severity)
        for row, (kind, column, _, severity) in enumerate(BAD, start=LEGAL)
    ]
    assert found == expected


def test_no_answers_and_missing_columns_stop(tmp_path: Path) -> None:
    report = validate(answers().head(0).drop(columns="model"), tmp_path)
    messages = [breach.message for breach in report.critical]
    assert messages[:2] == ["columns are missing", "no predictions"]
