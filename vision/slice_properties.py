"""What the images of manifest rows can be told apart by: each property with its values in words.

Numbers are cut into quarters by their quantiles, so that each part holds enough images to be judged; of what
has a name, each name is a part.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vision.manifest import ISSUES, OWN_COLUMNS, SEPARATOR

Indices = NDArray[np.integer]


@dataclass(frozen=True)
class Property:
    """Image rows[i] has the value values[codes[i]]; an image may have none, or, of labels, several."""

    name: str
    values: tuple[str, ...]
    rows: Indices
    codes: Indices


@dataclass(frozen=True)
class Scale:
    """How a number is said: the names of its four quarters, its decimals and unit."""

    quarters: tuple[str, str, str, str] = ("lowest", "second lowest", "second highest", "highest")
    form: str = ".4g"
    unit: str = ""


SCALES = {
    "short side": Scale(("smallest", "second smallest", "second largest", "largest"), ".0f", " pixels"),
    "brightness": Scale(("darkest", "second darkest", "second lightest", "lightest"), ".2f"),
    "contrast": Scale(form=".2f"),
    "sharpness": Scale(("most blurred", "second most blurred", "second sharpest", "sharpest"), ".0f"),
}


def image_properties(table: pd.DataFrame) -> list[Property]:
    """The properties of manifest rows, as far as the table has them.

    The label; the folder below the class; group, format and mode; size, brightness, contrast and sharpness;
    what inspection flags; and each further column of the user's table.
    """
    table = table.reset_index(drop=True)
    sides = table[["width", "height"]].min(axis=1)
    known = [
        _labels(table["label"]),
        _names("folder", pd.Series(_folders(table["path"], table["label"]), dtype=object)),
        *(_names(column, table[column]) for column in ("group", "format", "mode")),
        _numbers("short side", sides.where(sides > 0)),
    ]
    measured = [_numbers(column, table[column]) for column in SCALES if column in table]
    flags = [_flag(column, table[column]) for column in ISSUES.values() if column in table]
    others = [_any(column, table[column]) for column in table.columns if column not in OWN_COLUMNS]
    return known + measured + flags + others


def _labels(column: pd.Series[Any]) -> Property:
    """Of a multi-label set each label by itself: an image is in the parts of all of its labels."""
    single = column.str.split(SEPARATOR, regex=False).explode()
    codes, names = pd.factorize(single, sort=True)
    return Property("label", tuple(name or "no label" for name in names), single.index.to_numpy(), codes)


def _folders(paths: Iterable[str], labels: Iterable[str]) -> list[str]:
    """The folder of each image without the one that is its class, "" where nothing is left."""
    return [
        "/".join(part for part in path.split("/")[:-1] if part != label)
        for path, label in zip(paths, labels, strict=True)
    ]


def _names(name: str, column: pd.Series[Any]) -> Property:
    """One part a name; an image without one is in none."""
    codes, values = pd.factorize(column.where(column.notna() & (column != "")), sort=True)
    rows = np.flatnonzero(codes >= 0)
    return Property(name, tuple(str(value) for value in values), rows, codes[rows])


def _flag(name: str, column: pd.Series[Any]) -> Property:
    """The images that are so: those that are not are the rest, which each part is compared with."""
    rows = np.flatnonzero(column.to_numpy(bool, na_value=False))
    words = name.removeprefix("is_").removeprefix("has_").replace("_", " ")
    return Property(words, ("yes",), rows, np.zeros(len(rows), np.intp))


def _any(name: str, column: pd.Series[Any]) -> Property:
    if pd.api.types.is_bool_dtype(column):
        return _flag(name, column)
    if pd.api.types.is_numeric_dtype(column):
        return _numbers(name, column)
    return _names(name, column.astype(object).where(column.notna(), "").astype(str))


def _numbers(name: str, column: pd.Series[Any]) -> Property:
    """Quarters, equal numbers always in the same; of at most four different numbers each its own part."""
    numbers = column.to_numpy(np.float64, na_value=np.nan)
    rows = np.flatnonzero(np.isfinite(numbers))
    numbers, different = numbers[rows], np.unique(numbers[rows])
    is_few = len(different) <= 4
    edges = different[:-1] if is_few else np.quantile(numbers, (0.25, 0.5, 0.75))
    found, codes = np.unique(np.searchsorted(edges, numbers), return_inverse=True)
    parts = [numbers[codes == part] for part in range(len(found))]
    scale = SCALES.get(name, Scale())
    # Where many numbers are equal, fewer than four parts remain, and they are no quarters.
    are_quarters = len(found) == 4 and not is_few
    words = [f"{word} quarter: " for word in scale.quarters] if are_quarters else [""] * len(found)
    ranges = [_range(part.min(), part.max(), scale) for part in parts]
    return Property(name, tuple(map("".join, zip(words, ranges, strict=True))), rows, codes)


def _range(low: float, high: float, scale: Scale) -> str:
    ends = [format(end, scale.form) for end in (low, high)]
    return " to ".join(dict.fromkeys(ends)) + scale.unit
