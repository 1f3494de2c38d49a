"""Splits that are already decided: by the data itself, or by earlier runs, which a file remembers.

Without a memory a test image could become a training image when the data grows, and the champion would be
tested on what the candidate, or the champion itself, was trained on.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vision.bundle import write_atomically
from vision.errors import DataError, one_of
from vision.file_lock import exclusive
from vision.manifest import EXCLUDED, SPLITS, Manifest

logger = logging.getLogger(__name__)

NOTHING: Mapping[str, str] = MappingProxyType({})
# Test beats validation beats train: in the less held-out split an image is given up.
NAMES = ("", "train", "validation", "test")
RANKS = {EXCLUDED: 0} | {split: rank for rank, split in enumerate(NAMES)}


@dataclass(frozen=True)
class Settled:
    """What is decided before anything is drawn, one entry a row.

    `split` (N,) is "" where nothing is known; `is_held` (N,) where the row must stay. A train row that is
    not held may become one of `missing`, the held-out splits that the data was expected to have.
    """

    split: NDArray[np.object_]
    is_held: NDArray[np.bool_]
    missing: frozenset[str]

    def movable_to(self, name: str) -> NDArray[np.bool_]:
        """Whether each row may become one of the split `name`."""
        sources = ["", "train"] if name in self.missing else [""]
        return np.isin(self.split, sources) & ~self.is_held

    def with_rows(self, rows: NDArray[np.bool_], name: str) -> Settled:
        """These rows in the split `name`."""
        return replace(self, split=np.where(rows, name, self.split))


def recall(file: Path) -> dict[str, str]:
    """sha256 -> split of earlier runs; empty where there is no file yet. DataError where it is damaged."""
    if not file.exists():
        return {}
    try:
        rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        splits = {row["sha256"]: row["split"] for row in rows}
        unknown = set(splits.values()) - set(SPLITS)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(file, f"{type(error).__name__}: {error}") from error
    if unknown:
        raise _damaged(file, f"unknown split {sorted(map(str, unknown))}")
    return splits


def remember(manifest: Manifest, file: Path) -> None:
    """Adds the manifest's splits to the file; images that are gone or left out keep what stands there.

    Runs that write at once wait for one another. DataError where the file is damaged.
    """
    table = manifest.table
    kept = table[table["split"].isin(SPLITS) & (table["sha256"] != "")]
    # Beside it: the file itself is replaced, and with it a lock on it.
    with exclusive(file.with_name(f".{file.name}.lock")):
        known = recall(file)
        splits = known | dict(zip(kept["sha256"], kept["split"], strict=True))
        if splits != known:
            lines = [json.dumps({"sha256": sha256, "split": splits[sha256]}) for sha256 in sorted(splits)]
            write_atomically(file, "\n".join(lines) + "\n")


def _damaged(file: Path, reason: str) -> DataError:
    return DataError(
        f"the splits of earlier runs in {file} are damaged ({reason}): each line should be"
        f' {{"sha256": ..., "split": ...}} with one of {", ".join(SPLITS)}; restore the file, or move it'
        " away: splits are then drawn anew, and new results cannot be compared with earlier ones"
    )


def settle(table: pd.DataFrame, units: NDArray[np.intp], remembered: Mapping[str, str]) -> Settled:
    """The splits that the data gives and earlier runs gave, the same for all rows of a unit (N,).

    Given splits beat remembered ones. Where a unit is torn, its rows in the less held-out split are
    excluded, with a warning. DataError where the data parts a group by its own splits, or has other splits
    than vision.manifest.SPLITS.
    """
    given = table["split"].to_numpy(object)
    for name in set(given) - {*RANKS}:
        raise DataError(one_of("split", name, SPLITS, "the column that config.data.columns.split names"))
    missing = frozenset({"validation", "test"} - set(given))
    is_soft = (given == "train") & bool(missing)  # train rows, of which some shall be held out
    is_fixed = np.isin(given, SPLITS) & ~is_soft
    _refuse_torn_groups(table[np.isin(given, SPLITS)])
    memory = _usable_memory(table, remembered, is_fixed=is_fixed, missing=missing)

    from_data, from_memory = _unite(np.where(is_fixed, given, ""), units), _unite(memory, units)
    decided = np.where(from_data != "", from_data, from_memory)
    split = np.where(decided != "", decided, _unite(given, units))

    own = np.where(memory != "", memory, given)
    follows = (own == "") | (is_soft & (memory == "") & np.isin(split, list(missing)))
    split[(own != split) & ~follows] = EXCLUDED
    leaks = (split == EXCLUDED) & (given != EXCLUDED)
    by_data = leaks & (from_data != "") & (given != "")
    _warn_of_leaks(table, split, by_data, "linked to images in a more held-out split of the data")
    _warn_of_leaks(table, split, leaks & ~by_data, "linked to images that earlier runs had in another split")
    return Settled(split, decided != "", missing)


def _unite(split: NDArray[np.object_], units: NDArray[np.intp]) -> NDArray[np.object_]:
    """The most held-out split in the unit of each row, "" where it has none."""
    ranks = np.array([RANKS[name] for name in split], np.int64)
    highest = np.zeros(units.max(initial=-1) + 1, np.int64)
    np.maximum.at(highest, units, ranks)
    return np.array(NAMES, object)[highest[units]]


def _usable_memory(
    table: pd.DataFrame,
    remembered: Mapping[str, str],
    *,
    is_fixed: NDArray[np.bool_],
    missing: frozenset[str],
) -> NDArray[np.object_]:
    """The remembered split of each row, "" where there is none or the data says otherwise."""
    given = table["split"].to_numpy(object)
    memory = np.array([remembered.get(sha256, "") for sha256 in table["sha256"].tolist()], object)
    allowed = (given == "") | ((given == "train") & np.isin(memory, ["train", *missing]) & ~is_fixed)
    contradicted = (memory != "") & np.isin(given, SPLITS) & (memory != given) & ~allowed
    if contradicted.any():
        changes = pd.Series(memory[contradicted] + " -> " + given[contradicted]).value_counts()
        logger.warning(
            "%d images have another split in the data than in earlier runs, and the data's is used (%s): %s",
            contradicted.sum(), ", ".join(f"{change}: {count}" for change, count in changes.items()),
            ", ".join(table["path"][contradicted].head(5)),
        )  # fmt: skip
    fixed_bytes = table["sha256"].isin(table["sha256"][is_fixed]).to_numpy()
    return np.where(allowed & ~fixed_bytes, memory, "")


def _refuse_torn_groups(table: pd.DataFrame) -> None:
    if "group" not in table:
        return
    grouped = table[table["group"] != ""]
    counts = pd.crosstab(grouped["group"], grouped["split"])
    torn = counts[(counts > 0).sum(axis=1) > 1]
    if len(torn):
        examples = [
            f'"{group}" ({", ".join(f"{split} {count}" for split, count in row.items() if count)})'
            for group, row in torn.head(10).iterrows()
        ]
        raise DataError(
            f"{len(torn)} groups have images in more than one given split: {'; '.join(examples)}; images of"
            " one group share a split: change the split or the group of these images, or name another column"
            " in config.data.columns.split or config.data.columns.group in the YAML"
        )


def _warn_of_leaks(table: pd.DataFrame, split: NDArray[Any], leaks: NDArray[np.bool_], what: str) -> None:
    if not leaks.any():
        return
    kept, lost = table[split != EXCLUDED], table[leaks]
    copies = lost["sha256"].isin(kept["sha256"])
    near = pd.Series(False, lost.index)
    if "cluster" in table:
        near = ~copies & (lost["cluster"] != "") & lost["cluster"].isin(kept["cluster"])
    logger.warning(
        "%d images are excluded, %s (%d exact copies, %d near-duplicates, %d by a chain of groups and"
        " copies): %s",
        len(lost), what, copies.sum(), near.sum(), (~copies & ~near).sum(), ", ".join(lost["path"].head(5)),
    )  # fmt: skip
