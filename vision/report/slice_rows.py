"""The slices of each property, the hardest properties first, no more of them than a page can hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vision.slices import Slice

# Of a property with hundreds of values the lowest few are what one asks about.
MAX_ROWS = 8
OPEN_PROPERTIES = 6


@dataclass(frozen=True)
class Property:
    """Its slices of lowest accuracy, lowest first, and how many others there are."""

    name: str
    slices: tuple[Slice, ...]
    hidden: int


def properties(slices: Sequence[Slice]) -> tuple[Property, ...]:
    """One a column, that of the least probable difference first."""
    columns: dict[str, list[Slice]] = {}
    for part in sorted(slices, key=lambda part: part.accuracy.value):
        columns.setdefault(" and ".join(column for column, _ in part.conditions), []).append(part)
    ranked = sorted(columns.items(), key=lambda column: min(part.p_value for part in column[1]))
    return tuple(
        Property(name.replace("_", " "), tuple(parts[:MAX_ROWS]), max(0, len(parts) - MAX_ROWS))
        for name, parts in ranked
    )
