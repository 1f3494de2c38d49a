"""Every image into one split: stratified, seeded, sticky, and never the same picture in two splits.

Images that are linked (the same bytes, near-duplicates, one group) are a unit and never part. Units are drawn
in the order of a seeded hash of their bytes, so neither the order of the rows nor a file's name matters. A
split that the data already has is kept, whatever `config.split` says; so is the one of an earlier run.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vision.config import SplitConfig
from vision.errors import DataError
from vision.manifest import EXCLUDED, REVIEWED, SPLITS, Manifest
from vision.split_memory import NOTHING, Settled, settle
from vision.split_reviewed import split_reviewed
from vision.stratification import draw, join

if TYPE_CHECKING:
    from scipy.sparse import csr_array

logger = logging.getLogger(__name__)

Flags = NDArray[np.bool_]
Splits = NDArray[np.object_]  # str, one a row

# Column whose equal values link images -> what linked images are, and how to part them.
LINKS = {
    "sha256": "copies of one image",
    "cluster": "near-duplicates (set config.split.near_duplicates_together: false to part them)",
    "group": "images of one group (set config.data.columns.group to name another column)",
}
WHERE = "change config.split.validation or config.split.test in the YAML, or add images"


def split_images(
    manifest: Manifest, config: SplitConfig, *, seed: int, remembered: Mapping[str, str] = NOTHING
) -> Manifest:
    """The manifest with every row in train, validation, test or excluded, sorted by split and path.

    `config.test` is a share of all images and `config.validation` one of those that are not test images:
    of each class, rounded half up, at least one image. They are used where rows have no split, and where the
    data lacks one of the two: it is then taken out of train. `remembered` (sha256 -> split) are the splits of
    earlier runs: they stay, and new images fill the shares up. Reviewed rows count for no share: see
    vision.split_reviewed.

    DataError where a class would get none in train or in a split that was drawn here, and where the data's
    own splits part a group.
    """
    is_reviewed = manifest.table["split"] == REVIEWED
    if is_reviewed.any():
        source = manifest.with_table(manifest.table[~is_reviewed])
        divided = split_images(source, config, seed=seed, remembered=remembered)
        return _with_reviewed(divided, manifest.select(REVIEWED), config, remembered)
    manifest = manifest.with_table(manifest.table.sort_values("path", ignore_index=True))
    images = _Images(manifest, _links(manifest, config))
    settled = settle(manifest.table, images.units, remembered if config.sticky else NOTHING)
    given = set(manifest.table["split"])
    required = [name for name in SPLITS if name == "train" or "" in given or name not in given]
    lots = images.lots(seed)
    for name, share in (("test", config.test), ("validation", config.validation)):
        if share > 0:
            wanted = images.share(settled.split, name, share)
            settled = _fill(images, settled, name, wanted=wanted, lots=lots, required=required)
    split = np.where(settled.split == "", "train", settled.split)
    _check_classes(images, split, required, was_remembered=config.sticky and bool(remembered))
    return _in_order(manifest, split)


def _in_order(manifest: Manifest, split: Splits) -> Manifest:
    order = np.concatenate([np.flatnonzero(split == name) for name in (*SPLITS, EXCLUDED)])
    return manifest.with_table(manifest.table.assign(split=pd.Series(split, dtype="str")).iloc[order])


def _with_reviewed(
    divided: Manifest, reviewed: Manifest, config: SplitConfig, remembered: Mapping[str, str]
) -> Manifest:
    table = pd.concat([divided.table, reviewed.table.sort_values("path")], ignore_index=True)
    whole = divided.with_table(table)
    units = join([table[column].to_numpy(object) for column in _links(whole, config)])
    split = split_reviewed(table, units, remembered if config.sticky else NOTHING)
    return _in_order(whole, split)


def exclude_doubtful_labels(manifest: Manifest) -> Manifest:
    """The manifest without the training images whose label is doubted: the others stay where they are.

    Validation and test keep theirs: without the images that are hard to tell they would flatter the model.
    DataError where a class would lose its last training image.
    """
    table = manifest.table
    if "has_label_issue" not in table:
        return manifest
    doubtful = (table["split"] == "train") & table["has_label_issue"]
    cleaned = manifest.with_table(table.assign(split=table["split"].mask(doubtful, EXCLUDED)))
    lost = sorted({*manifest.select("train").class_names} - {*cleaned.select("train").class_names})
    if lost:
        raise DataError(
            f"the label of every training image is doubted in {len(lost)} classes: {', '.join(lost[:10])};"
            " look at these labels, or set config.quality.policies.label_issues: warn in the YAML"
        )
    return cleaned


def _links(manifest: Manifest, config: SplitConfig) -> list[str]:
    unused = set() if config.near_duplicates_together else {"cluster"}
    return [column for column in LINKS if column in manifest.table and column not in unused]


class _Images:
    """The rows of a manifest (N of them, K classes), as what is drawn: units.

    Images without a class count as a class "" of their own, which is stratified, but may be missing.
    """

    def __init__(self, manifest: Manifest, links: Sequence[str]) -> None:
        from scipy.sparse import csr_array

        self.table = manifest.table
        self.links = links
        self.units = join([self.table[column].to_numpy(object) for column in links])
        labels = [names or ("",) for names in manifest.labels]
        self.class_names = np.array(sorted({name for names in labels for name in names}), object)
        index = {name: index for index, name in enumerate(self.class_names)}
        places = [index[name] for names in labels for name in names]
        ends = np.cumsum([0, *map(len, labels)])
        shape = (len(labels), len(index))
        self._classes = csr_array((np.ones(len(places), np.int64), places, ends), shape)

    def count(self, rows: Flags) -> NDArray[np.int64]:
        """Images of each class (K,) among these rows."""
        return np.bincount(self._classes[rows].indices, minlength=len(self.class_names))

    def are_of(self, class_names: Iterable[str]) -> Flags:
        """Whether each row (N,) has one of these classes."""
        chosen = np.isin(self.class_names, list(class_names)).astype(np.int64)
        return np.asarray(self._classes @ chosen > 0)

    def count_in_units(self, rows: Flags) -> csr_array:
        """Images of each class in each unit (U, K), of these rows alone."""
        from scipy.sparse import csr_array

        shape = (self.units.max(initial=-1) + 1, len(rows))
        members = csr_array((rows.astype(np.int64), (self.units, np.arange(len(rows)))), shape)
        return members @ self._classes

    def lots(self, seed: int) -> NDArray[np.uint64]:
        """A seeded hash (U,) of each unit, by the bytes of its images: the smallest are drawn first."""
        first = self.table["sha256"].groupby(self.units).min()
        digests = (hashlib.sha256(f"{seed}:{sha256}".encode()).digest() for sha256 in first.tolist())
        return np.array([int.from_bytes(digest[:8]) for digest in digests], np.uint64)

    def share(self, split: Splits, name: str, fraction: float) -> NDArray[np.float64]:
        """Images of each class (K,) that the split is to have, rounded half up, one at least."""
        # The test images are drawn first, so what is a share of the rest leaves them out.
        images = self.count(~np.isin(split, [EXCLUDED, "test"] if name == "validation" else [EXCLUDED]))
        rounded = np.floor(np.round(images * fraction, 6) + 0.5)  # 0.145 * 100 is 14.499999999999998
        least = (images > 0) & (self.class_names != "")
        return np.where(least, np.maximum(rounded, 1), rounded)


def _fill(
    images: _Images,
    settled: Settled,
    name: str,
    *,
    wanted: NDArray[np.float64],
    lots: NDArray[np.uint64],
    required: Sequence[str],
) -> Settled:
    """The splits with `name` filled up to what is wanted, as far as rows may be moved."""
    movable = settled.movable_to(name)
    others = [settled.split == other for other in required if other != name]
    keep = sum((images.count(rows & ~movable) == 0).astype(np.int64) for rows in others)
    chosen = draw(
        images.count_in_units(movable),
        wanted,
        order=lots,
        present=images.count(settled.split == name),
        keep=keep * (images.class_names != ""),
    )
    return settled.with_rows(movable & chosen[images.units], name)


def _check_classes(images: _Images, split: Splits, required: list[str], *, was_remembered: bool) -> None:
    counts = pd.DataFrame({name: images.count(split == name) for name in SPLITS}, images.class_names)
    counts = counts.drop(index="", errors="ignore")
    short = counts[(counts[required] == 0).any(axis=1)]
    if len(short):
        sticky = "; config.split.sticky: false forgets the splits of earlier runs" if was_remembered else ""
        linked = _describe_links(images, (split != EXCLUDED) & images.are_of(short.index))
        raise DataError(
            f"classes without an image in each of {', '.join(required)}: {_describe(short)}{linked};"
            f" {WHERE}{sticky}"
        )
    unseen = counts[(counts == 0).any(axis=1)]
    if len(unseen):  # the user's own split: there is nothing to move, but the metrics will have gaps
        logger.warning("%d classes lack images in a given split: %s", len(unseen), _describe(unseen))


def _describe(counts: pd.DataFrame) -> str:
    lines = [
        f"{label} ({', '.join(f'{split} {count}' for split, count in row.items())})"
        for label, row in counts.head(10).iterrows()
    ]
    return "; ".join(lines) + (f" and {len(counts) - 10} more" if len(counts) > 10 else "")


def _describe_links(images: _Images, rows: Flags) -> str:
    """What keeps these images together, and how many sets of them can part."""
    columns = {column: images.table[column][rows] for column in images.links}
    reasons = [LINKS[name] for name, column in columns.items() if column[column != ""].duplicated().any()]
    if not reasons:
        return ""
    return (
        f"; these {rows.sum()} images are {len(np.unique(images.units[rows]))} sets that never part:"
        f" {', '.join(reasons)}"
    )
