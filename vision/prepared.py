"""The images of a data set, decoded, by split: what tuning, training and evaluation read.

The folder is named after everything that decides its content, so it is written once and never altered. It
holds no pixels of its own: its shards are hard links to those of the pixel store.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vision.bundle import atomic_folder, write_atomically
from vision.errors import DataError
from vision.image_array import ImageArray, ShardedImages
from vision.manifest import SPLITS, Manifest
from vision.pixel_store import VERSION, PixelStore
from vision.preprocessing import Preprocessing

ROWS, DESCRIPTION = "rows.parquet", "description.json"
SETS = "sets"


@dataclass(frozen=True)
class LabelledImages:
    """Images (N, H, W, 3), uint8 0..255, and their class indices (N,); multi-label: (N, K), 0 or 1."""

    images: ImageArray
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class PreparedImages:
    """A folder of prepared images, sorted by split; no pixel is read before it is asked for."""

    folder: Path

    @classmethod
    def open(cls, folder: Path) -> PreparedImages:
        """The prepared images of a folder; DataError where a file is missing or was cut short."""
        missing = [name for name in (ROWS, DESCRIPTION) if not (folder / name).is_file()]
        prepared = cls(folder)
        if not missing:
            missing = [name for name in prepared._shards if not (folder / name).is_file()]
        if missing:
            raise DataError(
                f"{folder} does not hold prepared images: {', '.join(missing[:5])} missing; remove the folder"
                " and run the pipeline again, it is made anew"
            )
        return prepared

    @property
    def class_names(self) -> tuple[str, ...]:
        """The position is the class index."""
        return tuple(self._description["class_names"])

    @property
    def revision(self) -> str:
        """Manifest.revision of the manifest that was prepared."""
        return str(self._description["revision"])

    @property
    def key(self) -> str:
        """Hex sha256 of everything that decided the content."""
        return str(self._description["key"])

    @property
    def preprocessing(self) -> Preprocessing:
        return Preprocessing.model_validate(self._description["preprocessing"])

    @property
    def is_multi_label(self) -> bool:
        return bool(self._description["is_multi_label"])

    def images(self, split: str) -> ShardedImages:
        """Pixels (N, H, W, 3), uint8 0..255, read from disk as they are asked for."""
        return self._images.view(self._range(split))

    def labels(self, split: str) -> NDArray[np.int64]:
        """Class indices (N,), or of a multi-label set (N, K) with 1 where the image has the class."""
        return self._labels[self._range(split)]

    def labelled(self, split: str) -> LabelledImages:
        return LabelledImages(self.images(split), self.labels(split))

    def paths(self, split: str) -> tuple[str, ...]:
        """Paths below the manifest's root, one an image."""
        return tuple(self._rows["path"].iloc[self._range(split)])

    def link_to(self, target: Path) -> None:
        """Hard links of the files in an existing folder; copies where it is on another disk."""
        for name in (*self._shards, ROWS, DESCRIPTION):
            link_or_copy(self.folder / name, target / name)

    def __reduce__(self) -> tuple[type[PreparedImages], tuple[Path]]:
        return PreparedImages, (self.folder,)  # without what it has cached

    def _range(self, split: str) -> slice:
        places = np.flatnonzero((self._rows["split"] == split).to_numpy())
        return slice(places[0], places[-1] + 1) if len(places) else slice(0, 0)

    @cached_property
    def _images(self) -> ShardedImages:
        height, width = self.preprocessing.image_size
        return ShardedImages(
            [self.folder / name for name in self._shards],
            shards=self._rows["shard"].to_numpy(np.intp),
            rows=self._rows["row"].to_numpy(np.intp),
            image_shape=(height, width, 3),
        )

    @cached_property
    def _labels(self) -> NDArray[np.int64]:
        names = Manifest("", self._rows, self.is_multi_label).labels
        indices = {name: index for index, name in enumerate(self.class_names)}
        if not self.is_multi_label:
            return np.array([indices[name] for (name,) in names], np.int64)
        labels = np.zeros((len(names), len(indices)), np.int64)
        for row, present in enumerate(names):
            labels[row, [indices[name] for name in present]] = 1
        return labels

    @property
    def _shards(self) -> list[str]:
        return list(self._description["shards"])

    @cached_property
    def _rows(self) -> pd.DataFrame:
        return pd.read_parquet(self.folder / ROWS)

    @cached_property
    def _description(self) -> dict[str, Any]:
        description: dict[str, Any] = json.loads((self.folder / DESCRIPTION).read_text())
        return description


def prepare_images(manifest: Manifest, preprocessing: Preprocessing, folder: Path) -> PreparedImages:
    """The manifest's train, validation and test images, below `folder`; at once where they are there.

    DataError where an image can no longer be decoded as it was, or the disk is full.
    """
    key = _key(manifest, preprocessing)
    target = folder / SETS / key
    if not target.exists():  # it is renamed into place, so what exists is whole
        rows = _rows(manifest)
        store = PixelStore(folder, preprocessing)
        store.complete(manifest.with_table(rows))
        with atomic_folder(target) as temporary:
            description = {
                "preprocessing": preprocessing.model_dump(mode="json"),
                "class_names": manifest.class_names,
                "is_multi_label": manifest.is_multi_label,
                "revision": manifest.revision,
                "key": key,
            }
            _write(rows, store, description, temporary)
    return PreparedImages.open(target)


def link_or_copy(source: Path, target: Path) -> None:
    """A hard link, or a copy where the two are on different disks; what was at `target` is replaced."""
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _key(manifest: Manifest, preprocessing: Preprocessing) -> str:
    columns = (manifest.table[column].tolist() for column in ("path", "sha256", "label", "split"))
    rows = sorted(map("\t".join, zip(*columns, strict=True)))
    settings = [VERSION, preprocessing.model_dump(mode="json"), manifest.is_multi_label]
    return hashlib.sha256(json.dumps([settings, rows], sort_keys=True).encode()).hexdigest()


def _write(rows: pd.DataFrame, store: PixelStore, description: dict[str, Any], folder: Path) -> None:
    files, shards, places = store.places(rows["sha256"].tolist())
    for file in files:
        link_or_copy(file, folder / file.name)
    columns = rows[["path", "label", "split", "sha256"]]
    columns.assign(shard=shards, row=places).to_parquet(folder / ROWS, index=False)
    whole = description | {"shards": [file.name for file in files]}
    write_atomically(folder / DESCRIPTION, json.dumps(whole, indent=2) + "\n")


def _rows(manifest: Manifest) -> pd.DataFrame:
    table = pd.concat(
        [manifest.select(split).table.sort_values("path") for split in SPLITS], ignore_index=True
    )
    if table.empty:
        raise DataError("no image to prepare: the manifest has no row in " + ", ".join(SPLITS))
    return table
