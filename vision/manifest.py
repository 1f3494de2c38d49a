"""The manifest: one row an image, with its label, its split and what was measured of it.

Columns of `Manifest.table`. From the source and from reading, COLUMNS:

    path         str, relative to `root`, with forward slashes; absolute where reviewed
    label        str, the class; of a multi-label set the classes, sorted and joined by "|", or ""
    split        str, train / validation / test / excluded, or where not yet assigned "" / reviewed
    group        str, images of one group share a split, "" where not given
    sha256       str, of the file's bytes, "" where the file cannot be read at all
    size_bytes   int
    format       str, Pillow's name (JPEG, PNG ...), "" where unreadable
    mode         str, Pillow's mode (RGB, L, CMYK ...), "" where unreadable
    width height int, pixels as stored, 0 where unreadable
    is_readable  bool
    reason       str, why it is not readable, else ""

From inspection (vision.inspection), INSPECTED; where unreadable 0.0, False and "", label_score 1.0:

    brightness   float 0..1, mean luminance of the prepared image
    contrast     float 0..1, standard deviation of the luminance
    sharpness    float >= 0, variance of the Laplacian of the luminance (0..255), small = blurred
    entropy      float 0..8, bits of the luminance's histogram
    cluster      str, the same for near-duplicates and copies of one another, "" for an image of its own
    suggested_label  str, what the others' labels suggest, "" where there is no doubt
    label_score  float 0..1, small = the label is doubtful, 1.0 where it was not judged
    is_dark, is_light, is_low_information, is_blurry, is_grayscale, is_odd_size, is_odd_aspect_ratio
                 bool, cleanvision's issue types
    is_exact_duplicate  bool, a copy of an image that is kept (one of each set is False)
    is_near_duplicate   bool, almost an image that is kept (one of each cluster is False), no exact copy
    has_label_conflict  bool, the same bytes stand under another label too
    has_label_issue     bool, cleanlab doubts the label

And the further columns of a table of images (vision.sources.table) under their own names: float where all of
their texts are numbers (NaN where empty), else str.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import pandas as pd

from vision.location import Location

SPLITS = ("train", "validation", "test")
# The split of a copy of an image that is held out elsewhere: it is neither trained on nor tested on.
EXCLUDED = "excluded"
# The split, until splitting, of an image that people labelled after the service had answered it.
REVIEWED = "reviewed"
COLUMNS = (
    "path",
    "label",
    "split",
    "group",
    "sha256",
    "size_bytes",
    "format",
    "mode",
    "width",
    "height",
    "is_readable",
    "reason",
)
# Issue -> its column, in the order of QualityPolicies.
ISSUES = {
    "label_conflicts": "has_label_conflict",
    "exact_duplicates": "is_exact_duplicate",
    "near_duplicates": "is_near_duplicate",
    "label_issues": "has_label_issue",
    "dark": "is_dark",
    "light": "is_light",
    "low_information": "is_low_information",
    "blurry": "is_blurry",
    "grayscale": "is_grayscale",
    "odd_size": "is_odd_size",
    "odd_aspect_ratio": "is_odd_aspect_ratio",
}
MEASURED = ("brightness", "contrast", "sharpness", "entropy")
INSPECTED = (*MEASURED, "cluster", "suggested_label", "label_score", *ISSUES.values())
OWN_COLUMNS = frozenset({*COLUMNS, *INSPECTED})
SEPARATOR = "|"  # between the labels of one image


@dataclass(frozen=True)
class Manifest:
    """All images of a data set. `table` is never changed in place."""

    root: str
    table: pd.DataFrame
    is_multi_label: bool = False

    @property
    def class_names(self) -> tuple[str, ...]:
        """Sorted labels; the position is the class index."""
        return tuple(sorted({name for names in self.labels for name in names}))

    @property
    def labels(self) -> list[tuple[str, ...]]:
        """The classes of each image: exactly one, or any number where the set is multi-label."""
        column = self.table["label"].tolist()
        if not self.is_multi_label:
            return [(label,) for label in column]
        return [tuple(filter(None, label.split(SEPARATOR))) for label in column]

    @property
    def revision(self) -> str:
        """Hex sha256 of what the images are and how they are labelled and split, not of where they lie."""
        columns = (self.table[column].tolist() for column in ("sha256", "label", "split"))
        rows = sorted(map("\t".join, zip(*columns, strict=True)))
        return hashlib.sha256("\n".join(rows).encode()).hexdigest()

    def with_table(self, table: pd.DataFrame) -> Manifest:
        return replace(self, table=table.reset_index(drop=True))

    def select(self, split: str) -> Manifest:
        """The rows of one split."""
        return self.with_table(self.table[self.table["split"] == split])

    def with_splits_of(self, other: Manifest) -> Manifest:
        """The same rows, each in the split that `other` has it in; "" where it has not."""
        splits = other.table.set_index("path")["split"]
        return self.with_table(self.table.assign(split=self.table["path"].map(splits).fillna("")))

    @property
    def readable(self) -> Manifest:
        """The rows that are images."""
        return self.with_table(self.table[self.table["is_readable"]])

    def read(self, path: str) -> bytes:
        """The encoded bytes of one image, by its `path` column."""
        return Location(self.root).read(path)
