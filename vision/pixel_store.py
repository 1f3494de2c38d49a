"""Every image read and decoded once, for good: pixels in shards, known by file and by content.

    folder/<key of the preprocessing>/<name>.npy      pixels, (n, H, W, 3) uint8
    folder/<key of the preprocessing>/<name>.parquet  a row a file; written last, so what has one is whole

A file is known by root, path, size and time: while these stay the same it is not opened again. A killed
run loses the shards in work and no other. The folder may be removed at any time: it is made anew.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vision.errors import DataError
from vision.file_lock import exclusive
from vision.image_array import ShardedImages
from vision.location import File, Location
from vision.manifest import Manifest
from vision.parallel import map_in_processes
from vision.preprocessing import Preprocessing
from vision.processors import usable_processors
from vision.shards import COLUMNS, ShardWriter

# Raise it when Preprocessing gives other pixels for the same values: old shards are then left alone.
VERSION = 3
# Large enough that a million photos of 224 pixels stay below 2,500 files, small enough to lose one.
SHARD_BYTES = 64 * 2**20
SHARD_IMAGES = 4096
SMALLEST_SHARD = 32
SHARDS_A_CORE = 4  # so that the cores end together, and the bar moves
# Encoded bytes below which starting processes takes longer than the work.
WORTH_PROCESSES = 2**20
STAMP = list(COLUMNS[:3])  # what a file is known by
TYPES = {"path": str, "listed_bytes": np.int64, "modified_ns": np.int64, "sha256": str, "is_readable": bool}


class PixelStore:
    """The decoded images of one preprocessing, of any number of data sets."""

    def __init__(self, folder: Path, preprocessing: Preprocessing) -> None:
        content = json.dumps([VERSION, preprocessing.model_dump(mode="json")], sort_keys=True)
        self._folder = folder / hashlib.sha256(content.encode()).hexdigest()[:16]
        self._preprocessing = preprocessing

    def read(self, location: Location, files: Sequence[File]) -> pd.DataFrame:
        """One row a file, in their order, with the columns of vision.shards; only new files are opened.

        One run at a time writes; another waits, and finds read what the first has read.
        """
        wanted = _stamps(files)
        if self._unknown(wanted, location).any():
            with exclusive(self._folder / ".lock"):
                self._remove_unfinished()
                unknown = np.flatnonzero(self._unknown(wanted, location))
                self._write([files[int(place)] for place in unknown], location)
        known = self._known(location, failed=True)
        return wanted.merge(known, on=STAMP, how="left", validate="m:1")

    def complete(self, manifest: Manifest) -> None:
        """Reads those images of the manifest again whose pixels are not here (any more).

        DataError where a file has changed since the manifest was made.
        """
        absent = manifest.table[self._places().index.get_indexer(pd.Index(manifest.table["sha256"])) < 0]
        if absent.empty:
            return
        location = Location(manifest.root)
        found = self.read(location, [location.describe(path) for path in absent["path"]])
        changed = (found["sha256"].to_numpy() != absent["sha256"].to_numpy()) | ~found["is_readable"]
        if changed.any():
            row = found[changed].iloc[0]
            raise DataError(
                f"{location.join(row['path'])} has changed since it was read"
                f" ({row['reason'] or 'other bytes'}), and so have {changed.sum() - 1} more: run again"
            )

    def images(self, hashes: Sequence[str]) -> ShardedImages:
        """The images of these contents (sha256), in their order; each must have been read."""
        files, shards, rows = self.places(hashes)
        height, width = self._preprocessing.image_size
        return ShardedImages(files, shards=shards, rows=rows, image_shape=(height, width, 3))

    def places(self, hashes: Sequence[str]) -> tuple[list[Path], NDArray[np.intp], NDArray[np.intp]]:
        """The shard files, and for each content the number of its file and its row there."""
        places = self._places().loc[list(hashes)]
        shards, names = pd.factorize(places["shard"])
        files = [self._folder / f"{name}.npy" for name in names]
        return files, shards.astype(np.intp), places["row"].to_numpy(np.intp)

    def _places(self) -> pd.DataFrame:
        table = self._read_tables()
        return table[table["is_readable"]].drop_duplicates("sha256").set_index("sha256")[["shard", "row"]]

    def _unknown(self, wanted: pd.DataFrame, location: Location) -> NDArray[np.bool_]:
        known = pd.MultiIndex.from_frame(self._known(location)[STAMP])
        return ~pd.MultiIndex.from_frame(wanted).isin(known) if len(known) else np.ones(len(wanted), np.bool_)

    def _known(self, location: Location, *, failed: bool = False) -> pd.DataFrame:
        """What is known of a location's files; of those that could not be opened only if `failed`."""
        table = self._read_tables()
        known = table[(table["root"] == location.url) & (failed | (table["sha256"] != ""))]
        return known.drop_duplicates(STAMP, keep="last")[[*COLUMNS]]

    def _read_tables(self) -> pd.DataFrame:
        """Every row of every shard, the oldest first."""
        files = [(file.stat().st_mtime_ns, str(file)) for file in self._folder.glob("*.parquet")]
        return _read_tables(tuple(sorted(files)))

    def _write(self, files: Sequence[File], location: Location) -> None:
        self._check_space(len(files))
        chunks = _chunks(files, image_bytes=self._image_bytes)
        write = ShardWriter(self._folder, self._preprocessing, location)
        sizes = [len(chunk) for chunk in chunks]
        for _ in map_in_processes(write, chunks, description="Reading images", sizes=sizes):
            pass

    def _remove_unfinished(self) -> None:
        """What a killed run has left: the lock is ours, so nobody is writing."""
        for file in self._folder.glob("[!.]*"):
            if file.suffix != ".parquet" and not file.with_suffix(".parquet").exists():
                file.unlink(missing_ok=True)

    @property
    def _image_bytes(self) -> int:
        height, width = self._preprocessing.image_size
        return height * width * 3

    def _check_space(self, images: int) -> None:
        needed, free = images * self._image_bytes, shutil.disk_usage(self._folder).free
        if needed > free:
            raise DataError(
                f"{images} prepared images need {needed / 2**30:.1f} GiB in {self._folder}, free are"
                f" {free / 2**30:.1f} GiB: free some, move the workspace with SIGHTLINE_HOME, or set a"
                " smaller config.prepare.image_size"
            )


@lru_cache(maxsize=2)  # ingest and prepare ask for the same ones
def _read_tables(files: tuple[tuple[int, str], ...]) -> pd.DataFrame:
    """The tables of these files, each with the time at which it was written; not to be changed in place."""
    import pyarrow.dataset

    if not files:
        return pd.DataFrame(columns=["root", *COLUMNS, "shard", "row"]).astype(TYPES)
    table: pd.DataFrame = pyarrow.dataset.dataset([file for _, file in files]).to_table().to_pandas()
    return table


def _stamps(files: Sequence[File]) -> pd.DataFrame:
    columns = [
        [file.path for file in files],
        [file.size_bytes for file in files],
        [file.modified_ns for file in files],
    ]
    types = {name: TYPES[name] for name in STAMP}
    return pd.DataFrame(dict(zip(STAMP, columns, strict=True))).astype(types)


def _chunks(files: Sequence[File], *, image_bytes: int) -> list[Sequence[File]]:
    most = max(1, min(SHARD_BYTES // image_bytes, SHARD_IMAGES))
    if sum(file.size_bytes for file in files) > WORTH_PROCESSES:
        even = -(-len(files) // (SHARDS_A_CORE * usable_processors()))
        most = min(most, max(SMALLEST_SHARD, even))
    return [files[start : start + most] for start in range(0, len(files), most)]
