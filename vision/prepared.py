"""Every image decoded once, as one memory-mapped array: what tuning, training and evaluation read.

The folder is named after everything that decides its content, so it is written once and never altered.
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
from vision.errors import DataError, ImageError
from vision.manifest import SPLITS, Manifest
from vision.parallel import map_with_progress
from vision.preprocessing import Preprocessing

IMAGES, ROWS, DESCRIPTION = "images.npy", "rows.parquet", "description.json"
# Raise it when Preprocessing gives other pixels for the same values: old folders are then left alone.
VERSION = 1


@dataclass(frozen=True)
class LabelledImages:
    """Images (N, H, W, 3), uint8 0..255, and their class indices (N,)."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class PreparedImages:
    """A folder of prepared images, sorted by split; nothing is read before it is asked for."""

    folder: Path

    @classmethod
    def open(cls, folder: Path) -> PreparedImages:
        """The prepared images of a folder; DataError where a file is missing or they do not fit together."""
        missing = [name for name in (IMAGES, ROWS, DESCRIPTION) if not (folder / name).is_file()]
        if missing:
            raise DataError(
                f"{folder} does not hold prepared images: {', '.join(missing)} missing; remove the folder"
                " and run the pipeline again, it is made anew"
            )
        prepared = cls(folder)
        if len(prepared._rows) != len(prepared._images):
            raise DataError(
                f"{folder} is damaged: {len(prepared._images)} images, {len(prepared._rows)} rows; remove it"
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

    def images(self, split: str) -> NDArray[np.uint8]:
        """Pixels (N, H, W, 3), uint8 0..255, memory-mapped and read-only."""
        return self._images[self._range(split)]

    def labels(self, split: str) -> NDArray[np.int64]:
        """Class indices (N,)."""
        return self._rows["label"].to_numpy(np.int64)[self._range(split)]

    def labelled(self, split: str) -> LabelledImages:
        return LabelledImages(self.images(split), self.labels(split))

    def paths(self, split: str) -> tuple[str, ...]:
        """Paths below the manifest's root, one an image."""
        return tuple(self._rows["path"].iloc[self._range(split)])

    def link_to(self, target: Path) -> None:
        """Hard links of the files in an existing folder; copies where it is on another disk."""
        for name in (IMAGES, ROWS, DESCRIPTION):
            (target / name).unlink(missing_ok=True)
            try:
                os.link(self.folder / name, target / name)
            except OSError:
                shutil.copy2(self.folder / name, target / name)

    def __reduce__(self) -> tuple[type[PreparedImages], tuple[Path]]:
        # The folder alone: pickled with what it has cached, it would carry every pixel.
        return PreparedImages, (self.folder,)

    def _range(self, split: str) -> slice:
        places = np.flatnonzero((self._rows["split"] == split).to_numpy())
        return slice(places[0], places[-1] + 1) if len(places) else slice(0, 0)

    @cached_property
    def _images(self) -> NDArray[np.uint8]:
        images: NDArray[np.uint8] = np.load(self.folder / IMAGES, mmap_mode="r")
        return images

    @cached_property
    def _rows(self) -> pd.DataFrame:
        return pd.read_parquet(self.folder / ROWS)

    @cached_property
    def _description(self) -> dict[str, Any]:
        description: dict[str, Any] = json.loads((self.folder / DESCRIPTION).read_text())
        return description


def prepare_images(manifest: Manifest, preprocessing: Preprocessing, folder: Path) -> PreparedImages:
    """The manifest's train, validation and test images, below `folder`; at once where they are there.

    DataError names the image that cannot be decoded.
    """
    target = folder / _key(manifest, preprocessing)
    if not target.exists():  # it is renamed into place, so what exists is whole
        with atomic_folder(target) as temporary:
            _write(manifest, preprocessing, temporary)
    return PreparedImages.open(target)


def _key(manifest: Manifest, preprocessing: Preprocessing) -> str:
    rows = manifest.table[["sha256", "label", "split", "path"]].sort_values("path").to_numpy().tolist()
    content = json.dumps([VERSION, preprocessing.model_dump(mode="json"), rows], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def _write(manifest: Manifest, preprocessing: Preprocessing, folder: Path) -> None:
    rows = _rows(manifest)
    _write_images(manifest, rows["path"], preprocessing, folder / IMAGES)
    rows.to_parquet(folder / ROWS)
    description = {
        "preprocessing": preprocessing.model_dump(mode="json"),
        "class_names": manifest.class_names,
        "revision": manifest.revision,
        "key": _key(manifest, preprocessing),
    }
    write_atomically(folder / DESCRIPTION, json.dumps(description, indent=2) + "\n")


def _rows(manifest: Manifest) -> pd.DataFrame:
    parts = [manifest.select(split).table.sort_values("path") for split in SPLITS]
    table = pd.concat(parts, ignore_index=True)
    if table.empty:
        raise DataError("no image to prepare: the manifest has no row in " + ", ".join(SPLITS))
    indices = {name: index for index, name in enumerate(manifest.class_names)}
    return table.assign(label=table["label"].map(indices).astype(np.int64))[
        ["path", "label", "split", "sha256"]
    ]


def _write_images(
    manifest: Manifest, paths: pd.Series[str], preprocessing: Preprocessing, file: Path
) -> None:
    shape = (len(paths), *preprocessing.image_size, 3)
    images = np.lib.format.open_memmap(file, mode="w+", dtype=np.uint8, shape=shape)

    def decode(item: tuple[int, str]) -> None:
        place, path = item
        try:
            images[place] = preprocessing.apply(manifest.read(path))
        except (ImageError, OSError) as error:
            raise DataError(f"{manifest.root / path} cannot be prepared: {error}") from error

    map_with_progress(decode, list(enumerate(paths)), description="Preparing images")
    images.flush()
