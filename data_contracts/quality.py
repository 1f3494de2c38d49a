"""The contract that the policies of config.quality make: one expectation for each kind of issue looked for.

It comes from code because a policy is one word, and what to say and do about each issue stays the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from data_contracts.contract_file import Contract
from data_contracts.validation import ValidationReport, validate_tables

# Issue -> what the user reads, and a column that says more of each row ("" for none).
MESSAGES = {
    "label_conflicts": ("the same bytes stand under another label too: keep the copy that is right", "label"),
    "exact_duplicates": ("copies, byte for byte, of an image that is kept: delete them", ""),
    "near_duplicates": ("almost the same picture as one that is kept: one of them is enough", ""),
    "label_issues": ("doubtful labels: look at them, the likelier class in brackets", "suggested_label"),
    "dark": ("too dark to see much: brighten or replace them", ""),
    "light": ("overexposed: replace them", ""),
    "low_information": ("almost one colour, there is little to see: replace or remove them", ""),
    "blurry": ("blurred: replace them, unless the model is to see such images", ""),
    "grayscale": ("without colour: mixed with colour images they may give a class away", "mode"),
    "odd_size": ("of quite another size than the rest: crops or thumbnails by mistake?", ""),
    "odd_aspect_ratio": ("long and narrow: resizing distorts them, crop them", ""),
}
EFFECTS: dict[str, dict[str, Any]] = {
    "warn": {"severity": "warning", "meta": {}},
    "quarantine": {"severity": "critical", "meta": {"quarantine": True}},
    "stop": {"severity": "critical", "meta": {}},
}


def quality_contract(policies: Mapping[str, str], columns: Mapping[str, str]) -> Contract:
    """A contract on the inspected manifest: `policies` issue -> policy, `columns` issue -> bool column.

    `ignore` leaves an issue out. Doubtful labels under `quarantine` are a warning here: only training images
    are left out for them, and which those are is known after the split.
    """
    flagged = [
        _expect_none(issue, policy, columns[issue])
        for issue, policy in policies.items()
        if policy != "ignore"
    ]
    return {"name": "quality", "expectations": [_expect_columns(columns), *flagged]}


def check_data(
    manifest: pd.DataFrame,
    measured: pd.DataFrame,
    *,
    files: Mapping[str, Path],
    policies: Mapping[str, str],
    columns: Mapping[str, str],
    docs_folder: Path,
) -> ValidationReport:
    """A data set held against its contract `files` ("manifest", "images") and its policies.

    `manifest` has all rows, `measured` those of the readable images; the rest as in quality_contract and
    validate_tables. ContractFileError where a file cannot be used.
    """
    tables: dict[str, tuple[pd.DataFrame, Path | Contract]] = {
        "manifest": (manifest, files["manifest"]),
        "images": (measured, files["images"]),
        "quality": (manifest, quality_contract(policies, columns)),
    }
    return validate_tables(tables, docs_folder=docs_folder)


def _expect_columns(columns: Mapping[str, str]) -> dict[str, Any]:
    return {
        "type": "expect_table_columns_to_match_set",
        "kwargs": {"column_set": list(columns.values()), "exact_match": False},
        "severity": "critical",
        "meta": {"message": "the manifest lacks columns of the inspection"},
    }


def _expect_none(issue: str, policy: str, column: str) -> dict[str, Any]:
    message, details = MESSAGES[issue]
    is_left_out_later = issue == "label_issues" and policy == "quarantine"
    if is_left_out_later:
        message += "; those among the training images are left out"
    effect = EFFECTS["warn" if is_left_out_later else policy]
    return {
        "type": "expect_column_values_to_be_in_set",
        "kwargs": {"column": column, "value_set": [False]},
        "severity": effect["severity"],
        "meta": effect["meta"] | {"message": message} | ({"details": details} if details else {}),
    }
