"""Files -> one shard: their pixels in one array on disk, and a row that says what each file is.

This is what a worker process does, so it imports little. Pixels are written one image at a time by plain
writes: memory stays flat, and a full disk is an exception (in a memory-mapped file it would be a signal
that ends the process).
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from vision.errors import DataError, ImageError
from vision.location import File, Location
from vision.preprocessing import Preprocessing

TEMPORARY = ".tmp"
NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

COLUMNS = (
    "path", "listed_bytes", "modified_ns", "sha256", "size_bytes", "format", "mode", "width", "height",
    "is_readable", "reason",
)  # fmt: skip
UNREADABLE = ("", "", 0, 0, False)

Row = tuple[Any, ...]


@dataclass(frozen=True)
class ShardWriter:
    """Makes the shards of one preprocessing in `folder`; it can be sent to another process."""

    folder: Path
    preprocessing: Preprocessing
    location: Location

    def __call__(self, files: Sequence[File]) -> None:
        """Writes NAME.npy ((n, H, W, 3) uint8; zeros where unreadable) and NAME.parquet, or nothing.

        The table has COLUMNS (path, size and time as listed, the rest as in vision.manifest), and root,
        shard and row. It is written last: a shard that has one is whole. DataError where the disk is full.
        """
        stamps = [self.location.url, *((file.path, file.size_bytes, file.modified_ns) for file in files)]
        name = hashlib.sha256(json.dumps(stamps).encode()).hexdigest()[:24]
        pixels, table = (self.folder / f"{name}{suffix}" for suffix in (".npy", ".parquet"))
        try:
            with _whole(pixels) as file:
                _write_header(file, (len(files), *self.preprocessing.image_size, 3))
                rows = [self._read_into(file, listed) for listed in files]
            with _whole(table) as file:
                _write_table(file, rows, root=self.location.url, shard=name)
        except OSError as error:
            raise DataError(_no_space(self.folder, error)) from error

    def _read_into(self, file: BinaryIO, listed: File) -> Row:
        stamp = (listed.path, listed.size_bytes, listed.modified_ns)
        try:
            data = self.location.read(listed.path)
        except OSError as error:
            reason = f"the file cannot be read: {error.strerror or error}"
            return (*stamp, "", listed.size_bytes, *UNREADABLE, self._leave_blank(file, reason))
        known = (*stamp, hashlib.sha256(data).hexdigest(), len(data))
        try:
            decoded = self.preprocessing.decode(data)
        except ImageError as error:
            return (*known, *UNREADABLE, self._leave_blank(file, str(error)))
        file.write(np.ascontiguousarray(self.preprocessing.fit(decoded.pixels)).data)
        return (*known, decoded.format, decoded.mode, decoded.width, decoded.height, True, "")

    def _leave_blank(self, file: BinaryIO, reason: str) -> str:
        file.write(bytes(3 * math.prod(self.preprocessing.image_size)))
        return reason


@contextmanager
def _whole(file: Path) -> Iterator[BinaryIO]:
    """A file that takes its name when it is whole."""
    temporary = file.with_name(f"{file.name}.{os.getpid()}{TEMPORARY}")
    try:
        with temporary.open("wb") as handle:
            yield handle
        temporary.rename(file)
    finally:
        temporary.unlink(missing_ok=True)


def _write_header(file: BinaryIO, shape: tuple[int, ...]) -> None:
    description = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, description)


def _write_table(file: BinaryIO, rows: Sequence[Row], *, root: str, shard: str) -> None:
    import pyarrow
    import pyarrow.parquet

    columns = dict(zip(COLUMNS, map(list, zip(*rows, strict=True)), strict=True))
    places = {"root": [root] * len(rows), "shard": [shard] * len(rows), "row": np.arange(len(rows))}
    pyarrow.parquet.write_table(pyarrow.table(columns | places), file)


def _no_space(folder: Path, error: OSError) -> str:
    if error.errno not in NO_SPACE:
        return f"prepared images cannot be written to {folder}: {error.strerror or error}"
    return (
        f"no space left for prepared images in {folder} ({error.strerror}): free some, move the workspace"
        " with SIGHTLINE_HOME, or set a smaller config.prepare.image_size; what was finished is kept"
    )
