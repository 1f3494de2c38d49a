"""Images that people labelled after the service had answered them, joined to the listing of any source.

They lie in the workspace and not with the data, so their paths are absolute, which no source's are, and their
split is REVIEWED until vision.splitting gives them one.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from vision.location import Location
from vision.manifest import REVIEWED, SEPARATOR
from vision.sources.checks import first_names
from vision.sources.listing import ListedImage, Listing

logger = logging.getLogger(__name__)


def add_reviewed(listing: Listing, labels: Mapping[Path, Sequence[str]]) -> Listing:
    """The listing with these files and the classes that each has; their paths are absolute.

    A file is passed over, with a warning, where the source lacks one of its classes, or where it has none or
    several and the source's images have one each: a review adds images, never a class.
    """
    known = _class_names(listing)
    fitting = {
        path: names
        for path, names in labels.items()
        if known.issuperset(names) and (listing.is_multi_label or len(names) == 1)
    }
    _warn_of_others(listing, [names for path, names in labels.items() if path not in fitting])
    rows = [_row(listing, path, names) for path, names in fitting.items()]
    return replace(listing, rows=tuple(sorted((*listing.rows, *rows), key=lambda row: row.path)))


def _class_names(listing: Listing) -> frozenset[str]:
    if not listing.is_multi_label:
        return frozenset(row.label for row in listing.rows)
    return frozenset(name for row in listing.rows for name in row.label.split(SEPARATOR))


def _row(listing: Listing, path: Path, names: Sequence[str]) -> ListedImage:
    file = Location(listing.root).describe(str(path))
    label = SEPARATOR.join(sorted(set(names)))
    nothing = ("",) * len(listing.further)
    return ListedImage(file.path, label, REVIEWED, file.size_bytes, file.modified_ns, further=nothing)


def _warn_of_others(listing: Listing, labels: Sequence[Sequence[str]]) -> None:
    if labels:
        logger.warning(
            "%d reviewed images are passed over, their labels are not such as the images in %s have: %s",
            len(labels), listing.root, first_names({", ".join(names) or "no label" for names in labels}),
        )  # fmt: skip
