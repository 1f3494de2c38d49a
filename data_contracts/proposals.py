"""What is proposed for each table: the default contract, tightened to what was seen."""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, ROUND_FLOOR, Context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from data_contracts.contract_file import Contract, read_contract

DEFAULTS = Path(__file__).parent
SEPARATOR = "|"  # between the labels of one image
# Measured column -> the bounds beyond which there is nothing, None where there is no end.
MEASURED: dict[str, tuple[float, float | None]] = {
    "width": (1, None),
    "height": (1, None),
    "aspect_ratio": (1, None),
    "size_bytes": (1, None),
    "brightness": (0, 1),
    "contrast": (0, 1),
    "sharpness": (0, None),
    "entropy": (0, 8),
}
MOSTLY = 0.99
TAIL = (1 - MOSTLY) / 2  # left out at each end before the range is widened
# Divergence of the class shares in nats; of two equal classes, one would be down to 28 % of the images.
DIVERGENCE = 0.1
DIGITS = 3  # significant ones of a bound, rounded outwards


def propose_manifest(table: pd.DataFrame, *, is_multi_label: bool) -> Contract:
    """The default, at least half as many images as were seen, and what is known of the labels."""
    half = len(table) // 2
    defaults = [
        entry
        | {"kwargs": {"min_value": half}, "meta": {"message": f"fewer than {half} images, half of before"}}
        if entry["type"] == "expect_table_row_count_to_be_between" and half > entry["kwargs"]["min_value"]
        else entry
        for entry in _default("manifest")
    ]
    labels = table["label"].dropna().astype(str)
    known = [_combine_labels(labels)] if is_multi_label else _one_label(labels)
    return {"name": "manifest", "expectations": [*defaults, *known]}


def propose_images(table: pd.DataFrame) -> Contract:
    """The default without its warnings on what is measured here, and what was seen."""
    columns = [column for column in MEASURED if column in table.columns]
    defaults = [
        entry
        for entry in _default("images")
        if entry["severity"] == "critical" or entry["kwargs"]["column"] not in columns
    ]
    kinds = [_expect_kinds(table, column) for column in ("format", "mode") if column in table.columns]
    ranges = [entry for column in columns for entry in _expect_range(table[column].dropna(), column)]
    return {"name": "images", "expectations": [*defaults, *kinds, *ranges]}


def _one_label(labels: pd.Series[Any]) -> list[dict[str, Any]]:
    shares = labels.value_counts(normalize=True).sort_index()
    names = shares.index.tolist()
    column_and_set = {"column": "label", "value_set": names}
    # Drawing as many images again gives (classes - 1) / (2 images) on average.
    threshold = round(DIVERGENCE + len(names) / len(labels), 3)
    divergence = {"partition_object": {"values": names, "weights": _weights(shares)}, "threshold": threshold}
    return [
        _expect(
            "expect_column_values_to_be_in_set",
            column_and_set,
            "classes that were not there before: add them here if they are meant",
            severity="critical",
            details="label",
        ),
        _expect(
            "expect_column_distinct_values_to_contain_set",
            column_and_set,
            "a class has no images any more: remove it here if that is meant",
            severity="critical",
        ),
        _expect(
            "expect_column_kl_divergence_to_be_less_than",
            {"column": "label"} | divergence,
            "the shares of the classes are quite other than before",
        ),
    ]


def _weights(shares: pd.Series[float]) -> list[float]:
    """To six decimals; the largest takes what rounding lost: Great Expectations wants a sum of 1."""
    weights = shares.round(6)
    weights.iloc[int(weights.argmax())] += 1 - weights.sum()
    return [round(float(weight), 6) for weight in weights]


def _combine_labels(labels: pd.Series[Any]) -> dict[str, Any]:
    """Any combination of the names seen; none of them only where that was seen."""
    names = sorted({name for label in labels for name in label.split(SEPARATOR) if name})
    one = f"(?:{'|'.join(map(re.escape, names))})"
    several = rf"{one}(?:\|{one})*"
    return _expect(
        "expect_column_values_to_match_regex",
        {"column": "label", "regex": f"^(?:{several})?$" if "" in set(labels) else f"^{several}$"},
        "labels that were not there before: add them here if they are meant",
        severity="critical",
        details="label",
    )


def _expect_kinds(table: pd.DataFrame, column: str) -> dict[str, Any]:
    seen = sorted(table[column].astype(str).unique().tolist())
    return _expect(
        "expect_column_values_to_be_in_set",
        {"column": column, "value_set": seen},
        f"another {column} than before",
        details=column,
    )


def _expect_range(values: pd.Series[Any], column: str) -> list[dict[str, Any]]:
    # Percentiles that are values of the set: interpolated ones may leave more than their share outside.
    low, first = np.percentile(values, [100 * TAIL, 25], method="lower")
    third, high = np.percentile(values, [75, 100 - 100 * TAIL], method="higher")
    spread = third - first
    word = column.replace("_", " ")
    return [
        _expect(
            "expect_column_values_to_be_between",
            {"column": column, "mostly": MOSTLY} | _bounds(low - spread, high + spread, column),
            f"{word} outside what was seen",
            details=column,
        ),
        _expect(
            "expect_column_median_to_be_between",
            {"column": column} | _bounds(first, third, column),
            f"the median of {word} has left the middle half of what was seen",
        ),
    ]


def _bounds(low: float, high: float, column: str) -> dict[str, float]:
    """Both rounded outwards, within what there is."""
    least, most = MEASURED[column]
    lower, upper = _round(low, ROUND_FLOOR), _round(high, ROUND_CEILING)
    return {"min_value": max(lower, least), "max_value": upper if most is None else min(upper, most)}


def _round(value: float, direction: str) -> float:
    rounded = Context(DIGITS, direction).create_decimal(float(value))
    return int(rounded) if rounded == int(rounded) else float(rounded)


def _expect(
    kind: str, kwargs: dict[str, Any], message: str, *, severity: str = "warning", details: str = ""
) -> dict[str, Any]:
    meta = {"message": message} | ({"details": details} if details else {})
    return {"type": kind, "kwargs": kwargs, "severity": severity, "meta": meta}


def _default(name: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = read_contract(DEFAULTS / f"{name}.yaml")["expectations"]
    return entries
