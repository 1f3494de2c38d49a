"""Training and validation images in k folds: each image is held out once, linked images together.

Test images are in none of them. Near-duplicates stay together whatever config.split says: parted, they would
show how well a network remembers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vision.errors import DataError
from vision.manifest import Manifest
from vision.prepared import PreparedImages
from vision.splitting import LINKS
from vision.stratification import draw, join
from vision.task import Labels, has_class, task_of

if TYPE_CHECKING:
    from scipy.sparse import csr_array

# Of what is not held out, the share that tells when to stop.
VALIDATION_SHARE = 0.1
WHERE = "set config.cross_validate.folds (0 for none), or add images"


@dataclass(frozen=True)
class PreparedFold(PreparedImages):
    """The same prepared images in other splits: `splits` (path -> split) holds all that are used."""

    splits: Mapping[str, str]

    @cached_property
    def _rows(self) -> pd.DataFrame:
        rows = super()._rows
        splits = rows["path"].map(self.splits).fillna("")
        return rows.assign(split=splits).sort_values("split", kind="stable", ignore_index=True)

    def __reduce__(self) -> tuple[type[PreparedFold], tuple[Path, Mapping[str, str]]]:  # type: ignore[override]
        return PreparedFold, (self.folder, self.splits)


@dataclass(frozen=True)
class Folds:
    """The fold of each image, `number` (N,), 1..k.

    `units` (N,), 0..U-1, are the images that never part, `counts` (U, K + 1) their images of each class and
    without any, `lots` (U,) the order in which units are drawn.
    """

    paths: tuple[str, ...]
    labels: Labels
    number: NDArray[np.intp]
    units: NDArray[np.intp]
    counts: csr_array
    lots: NDArray[np.intp]

    def prepare(self, prepared: PreparedImages, fold: int) -> PreparedFold:
        """The images with `fold` as the test split, and a tenth of the rest, grouped too, as validation.

        DataError where no image can be spared for validation.
        """
        held_out = self.number == fold
        validation = np.isin(self.units, self._draw_validation(np.unique(self.units[~held_out])))
        if not validation.any():
            raise DataError(
                f"fold {fold} of {self.number.max()} leaves {(~held_out).sum()} images, of which none can be"
                f" spared to tell when to stop: each class needs another one to learn from; {WHERE}"
            )
        splits = np.where(held_out, "test", np.where(validation, "validation", "train")).tolist()
        return PreparedFold(prepared.folder, dict(zip(self.paths, splits, strict=True)))

    def _draw_validation(self, units: NDArray[np.intp]) -> NDArray[np.intp]:
        """Those of the units to stop by; one unit of each class is left to learn from."""
        counts = self.counts[units]
        images = counts.sum(axis=0)
        wanted = np.minimum(images, np.maximum(1, VALIDATION_SHARE * images))
        return units[draw(counts, wanted, order=self.lots[units], keep=1)]


def assign_folds(prepared: PreparedImages, manifest: Manifest, *, folds: int, seed: int) -> Folds:
    """Training and validation images in `folds` parts of near equal shares of every class.

    Copies, near-duplicates and images of one group are in one fold. DataError where a class has fewer sets of
    such images than there are folds.
    """
    paths = (*prepared.paths("train"), *prepared.paths("validation"))
    labels = np.concatenate([prepared.labels("train"), prepared.labels("validation")])
    units = _units(manifest, paths)
    counts = _count_in_units(units, has_class(labels, len(prepared.class_names)))
    _check_classes(counts, prepared.class_names, folds)
    lots = np.random.default_rng(seed).permutation(counts.shape[0])
    if task_of(labels) == "multi_class":
        number = _stratify(labels, units, folds=folds, seed=seed)
    else:
        number = _draw_folds(counts, lots, folds)[units]
    return Folds(paths, labels, number + 1, units, counts, lots)


def _units(manifest: Manifest, paths: tuple[str, ...]) -> NDArray[np.intp]:
    """By all rows: two images may be linked by one that is not used."""
    table = manifest.table
    linked = join([table[column].to_numpy(object) for column in LINKS if column in table])
    used = pd.Series(linked, table["path"])[list(paths)]
    units: NDArray[np.intp] = np.unique(used, return_inverse=True)[1]
    return units


def _count_in_units(units: NDArray[np.intp], has: NDArray[np.bool_]) -> csr_array:
    """Images (U, K + 1) of each class; those without one count as one more class, so they are shared too."""
    from scipy.sparse import csr_array

    classes = csr_array(np.column_stack([has, ~has.any(axis=1)]).astype(np.int64))
    shape = (units.max() + 1, len(units))
    return csr_array((np.ones(len(units), np.int64), (units, np.arange(len(units)))), shape) @ classes


def _check_classes(counts: csr_array, class_names: tuple[str, ...], folds: int) -> None:
    images, sets = counts.sum(axis=0)[:-1], (counts > 0).sum(axis=0)[:-1]
    # A class of test images alone is the split's matter, not that of the folds.
    short = np.flatnonzero((sets < folds) & (images > 0))
    if not len(short):
        return
    described = [
        f'"{class_names[k]}" has {images[k]} images'
        + (f" in {sets[k]} sets that never part" if sets[k] < images[k] else "")
        for k in short[:10]
    ]
    more = f" and {len(short) - 10} classes more" if len(short) > 10 else ""
    raise DataError(
        f"too few training and validation images for {folds} folds: {'; '.join(described)}{more}; allowed are"
        f" {folds} or more of every class that can part (copies, near-duplicates and groups cannot); {WHERE}"
    )


def _stratify(labels: Labels, units: NDArray[np.intp], *, folds: int, seed: int) -> NDArray[np.intp]:
    from sklearn.model_selection import StratifiedGroupKFold

    number = np.zeros(len(labels), np.intp)
    kind = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    for fold, (_, held_out) in enumerate(kind.split(labels, labels, units)):
        number[held_out] = fold
    return number


def _draw_folds(counts: csr_array, lots: NDArray[np.intp], folds: int) -> NDArray[np.intp]:
    """The fold (U,) of each unit: one after the other draws its share of what is left, the first gets the
    rest."""
    number = np.zeros(len(lots), np.intp)
    for fold in range(folds - 1, 0, -1):
        left = np.flatnonzero(number == 0)
        wanted = counts[left].sum(axis=0) / (fold + 1)
        number[left[draw(counts[left], wanted, order=lots[left], keep=fold)]] = fold
    return number
