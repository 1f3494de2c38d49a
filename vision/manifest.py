"""The manifest: one row an image, with its label, its split and what was measured of it.

Columns of `Manifest.table`, in this order (COLUMNS):

    path         str, relative to `root`, with forward slashes
    label        str, the class
    split        str, train / validation / test / excluded, or "" where not yet assigned
    sha256       str, of the file's bytes
    size_bytes   int
    format       str, Pillow's name (JPEG, PNG ...), "" where unreadable
    mode         str, Pillow's mode (RGB, L, CMYK ...), "" where unreadable
    width height int, pixels as stored, 0 where unreadable
    brightness   float 0..1, mean luminance of the upright RGB image
    contrast     float 0..1, standard deviation of the luminance
    sharpness    float >= 0, variance of the Laplacian of the luminance (0..255), small = blurred
    is_readable  bool
    reason       str, why it is not readable, else ""
    has_label_conflict  bool, the same bytes stand in another class too
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

SPLITS = ("train", "validation", "test")
# The split of a copy of an image that is held out elsewhere: it is neither trained on nor tested on.
EXCLUDED = "excluded"
COLUMNS = (
    "path",
    "label",
    "split",
    "sha256",
    "size_bytes",
    "format",
    "mode",
    "width",
    "height",
    "brightness",
    "contrast",
    "sharpness",
    "is_readable",
    "reason",
    "has_label_conflict",
)


@dataclass(frozen=True)
class Manifest:
    """All images of a data set. `table` is never changed in place."""

    root: Path
    table: pd.DataFrame

    @property
    def class_names(self) -> tuple[str, ...]:
        """Sorted labels; the position is the class index."""
        return tuple(sorted(self.table["label"].unique()))

    @property
    def revision(self) -> str:
        """Hex sha256 of what the images are and how they are labelled and split, not of where they lie."""
        rows = sorted(zip(*(self.table[column] for column in ("sha256", "label", "split")), strict=True))
        return hashlib.sha256("\n".join("\t".join(row) for row in rows).encode()).hexdigest()

    def with_table(self, table: pd.DataFrame) -> Manifest:
        return replace(self, table=table.reset_index(drop=True))

    def select(self, split: str) -> Manifest:
        """The rows of one split."""
        return self.with_table(self.table[self.table["split"] == split])

    def read(self, path: str) -> bytes:
        """The encoded bytes of one image, by its `path` column."""
        return (self.root / path).read_bytes()
