"""Listing: which image files a data set has, before any of them is opened."""

from __future__ import annotations

import hashlib
import json
from dataclasses import astuple, dataclass
from functools import cached_property
from pathlib import Path


@dataclass(frozen=True)
class ListedImage:
    """One file: `path` relative to the listing's root with forward slashes, `split` "" where not given."""

    path: str
    label: str
    split: str
    size_bytes: int
    modified_ns: int


@dataclass(frozen=True)
class Listing:
    """All images of a data set, in the order of their paths."""

    root: Path
    rows: tuple[ListedImage, ...]

    @cached_property
    def fingerprint(self) -> str:
        """Hex sha256 of root and rows: it changes when a file is added, moved or written again.

        Cheap, because no file is opened: a cached step asks it whether its data is still the same.
        """
        content = json.dumps([str(self.root), [astuple(row) for row in self.rows]])
        return hashlib.sha256(content.encode()).hexdigest()
