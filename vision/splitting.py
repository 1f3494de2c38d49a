"""Every image into one split: stratified, seeded, and never the same bytes in two splits.

Images are drawn in the order of a seeded hash of their bytes, so neither the order of the rows nor a file's
name matters, and when a data set grows an image tends to stay where it was. A split that the folder already
has is kept, whatever `config.split` says.
"""

from __future__ import annotations

import hashlib
import logging

import numpy as np
import pandas as pd

from vision.errors import DataError
from vision.manifest import EXCLUDED, SPLITS, Manifest

logger = logging.getLogger(__name__)

# Test beats validation beats train: the copy in the less held-out split is the one that is given up.
RANKS = {EXCLUDED: -1, "": 0, "train": 1, "validation": 2, "test": 3}
WHERE = "change config.split.validation or config.split.test in the YAML, or add images"


def split_images(manifest: Manifest, *, validation: float, test: float, seed: int) -> Manifest:
    """The manifest with every row in train, validation, test or excluded, sorted by split and path.

    `test` is a share of all images and `validation` one of those that are not test images, class by class.
    They are used where rows have no split, and where the folder lacks one of the two: it is then taken out
    of train. DataError where a class would get none in train or in a split that was drawn here.
    """
    table = _keep_copies_together(manifest.table.sort_values("path", ignore_index=True))
    given = set(table["split"])
    table = _draw(table, "test", fraction=test, seed=seed, missing="test" not in given)
    table = _draw(table, "validation", fraction=validation, seed=seed, missing="validation" not in given)
    table = table.assign(split=table["split"].where(table["split"] != "", "train"))
    _check_classes(table, given)
    order = table["split"].map({split: place for place, split in enumerate((*SPLITS, EXCLUDED))})
    return manifest.with_table(table.loc[np.lexsort((np.arange(len(table)), order))])


def _keep_copies_together(table: pd.DataFrame) -> pd.DataFrame:
    rank = table["split"].map(RANKS)
    held = rank.groupby(table["sha256"]).transform("max")
    leaks = (rank > 0) & (rank < held)
    if leaks.any():
        logger.warning(
            "%d images are copies of images in a more held-out split and are excluded: %s",
            leaks.sum(), ", ".join(table["path"][leaks].head(5)),
        )  # fmt: skip
    names = held.map({rank: split for split, rank in RANKS.items()})
    split = table["split"].where(rank != 0, names).mask(leaks, EXCLUDED)
    return table.assign(split=split)


def _draw(table: pd.DataFrame, split: str, *, fraction: float, seed: int, missing: bool) -> pd.DataFrame:
    """The table with `split` filled up to its share of each class, as far as rows may be moved."""
    movable = table["split"].isin(("", "train") if missing else ("",))
    if fraction == 0 or not movable.any():
        return table
    # The test images are drawn first, so what is a share of the rest leaves them out.
    counted = ~table["split"].isin((EXCLUDED, "test") if split == "validation" else (EXCLUDED,))
    share = (table[counted].groupby("label").size() * fraction + 0.5).floordiv(1).clip(lower=1)
    present = table[table["split"] == split].groupby("label").size()
    wanted = share.sub(present, fill_value=0)
    chosen = _first_by_hash(table[movable], wanted, seed)
    return table.assign(split=table["split"].mask(movable & table["sha256"].isin(chosen), split))


def _first_by_hash(table: pd.DataFrame, wanted: pd.Series[float], seed: int) -> pd.Series[str]:
    """The sha256 of so many images of each class; copies count together, for the class that sorts first."""
    images = table.groupby("sha256", as_index=False).agg(label=("label", "min"), copies=("path", "size"))
    images["order"] = [hashlib.sha256(f"{seed}:{sha256}".encode()).digest() for sha256 in images["sha256"]]
    images = images.sort_values(["label", "order"])
    before = images.groupby("label")["copies"].cumsum() - images["copies"]
    return images["sha256"][before < images["label"].map(wanted)]


def _check_classes(table: pd.DataFrame, given: set[str]) -> None:
    counts = pd.crosstab(table["label"], table["split"]).reindex(columns=list(SPLITS), fill_value=0)
    drawn = [split for split in SPLITS if "" in given or split not in given]
    required = sorted({"train", *drawn}, key=SPLITS.index)
    short = counts[(counts[required] == 0).any(axis=1)]
    if len(short):
        raise DataError(
            f"classes without an image in each of {', '.join(required)}: {_counts(short)};"
            f" copies of an image count once, because they stay in one split; {WHERE}"
        )
    unseen = counts[(counts == 0).any(axis=1)]
    if len(unseen):  # the user's own split: there is nothing to move, but the metrics will have gaps
        logger.warning("%d classes lack images in a given split: %s", len(unseen), _counts(unseen))


def _counts(table: pd.DataFrame) -> str:
    lines = [
        f"{label} ({', '.join(f'{split} {row[split]}' for split in SPLITS)})"
        for label, row in table.head(10).iterrows()
    ]
    return "; ".join(lines) + (f" and {len(table) - 10} more" if len(table) > 10 else "")
