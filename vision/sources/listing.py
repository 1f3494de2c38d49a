"""Listing: which image files a data set has, before any of them is opened."""

from __future__ import annotations

import hashlib
import json
from dataclasses import astuple, dataclass
from functools import cached_property


@dataclass(frozen=True)
class ListedImage:
    """One file: `path` relative to the listing's root with forward slashes.

    `split` and `group` are "" where not given; `label` holds several names joined by "|" where the
    listing is multi-label, and may then be "".
    """

    path: str
    label: str
    split: str
    size_bytes: int
    modified_ns: int
    group: str = ""
    further: tuple[str, ...] = ()  # texts under Listing.further


@dataclass(frozen=True)
class Listing:
    """All images of a data set, in the order of their paths; `root` as in vision.location.Location.

    `further` names columns that the source has and Sightline does not know: the report slices by them.
    """

    root: str
    rows: tuple[ListedImage, ...]
    is_multi_label: bool = False
    further: tuple[str, ...] = ()

    @cached_property
    def fingerprint(self) -> str:
        """Hex sha256 of root and rows: it changes when a file is added, moved or written again.

        Cheap, because no file is opened: a cached step asks it whether its data is still the same.
        """
        whole = [self.root, self.is_multi_label, self.further]
        content = json.dumps([*whole, [astuple(row) for row in self.rows]])
        return hashlib.sha256(content.encode()).hexdigest()
