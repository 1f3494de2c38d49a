"""Listing -> Manifest: every new file is read, hashed and decoded once, and its pixels kept."""

from __future__ import annotations

import logging

import pandas as pd

from vision.location import File, Location
from vision.manifest import COLUMNS, REVIEWED, Manifest
from vision.pixel_store import PixelStore
from vision.sources.listing import Listing

logger = logging.getLogger(__name__)


def read_images(listing: Listing, store: PixelStore) -> Manifest:
    """The manifest of all listed images; a file that is no image becomes a row that says why."""
    files = [File(row.path, row.size_bytes, row.modified_ns) for row in listing.rows]
    read = store.read(Location(listing.root), files)
    listed = {name: [getattr(row, name) for row in listing.rows] for name in ("label", "split", "group")}
    types = {"label": str, "split": str, "group": str, "is_readable": bool}
    table = read.assign(**listed)[list(COLUMNS)].astype(types)
    further = zip(*(row.further for row in listing.rows), strict=True)
    columns = {name: _numbers_or_texts(texts) for name, texts in zip(listing.further, further, strict=True)}
    whole = Manifest(listing.root, table.assign(**columns), listing.is_multi_label)
    return _without_known(whole)


def _without_known(manifest: Manifest) -> Manifest:
    """The manifest without reviewed copies of the source's own images: there the source's label stands.

    As two labels of one image both would be quarantined, and a review could take an image out of the test.
    """
    table = manifest.table
    is_reviewed = table["split"] == REVIEWED
    is_known = is_reviewed & table["sha256"].isin(table["sha256"][~is_reviewed & (table["sha256"] != "")])
    if is_known.any():
        logger.warning(
            "%d reviewed images are passed over, the data has them with labels of its own: %s",
            is_known.sum(), ", ".join(table["path"][is_known].head(5)),
        )  # fmt: skip
    return manifest.with_table(table[~is_known])


def _numbers_or_texts(texts: tuple[str, ...]) -> pd.Series[float] | pd.Series[str]:
    """Numbers where all that is not empty is one."""
    series = pd.Series(texts, dtype=str)
    numbers = pd.to_numeric(series.where(series != ""), errors="coerce").astype(float)
    return numbers if (numbers.notna() | (series == "")).all() else series


def measured_properties(manifest: Manifest) -> pd.DataFrame:
    """What the contract on images judges: the readable rows, with `aspect_ratio` = long / short side."""
    table = manifest.readable.table
    sides = table[["width", "height"]]
    return table.assign(aspect_ratio=sides.max(axis=1) / sides.min(axis=1))
