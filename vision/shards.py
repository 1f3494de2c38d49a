"""Files -> one shard: their pixels in one array on disk, and a row that says what each file is.

This is what a worker process does, so it imports little. Pixels are written one image at a time by plain
writes: memory stays flat, and a full disk is an exception (in a memory-mapped file it would be a signal
that ends the process).
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from vision.decoding import Pixels
from vision.errors import DataError, ImageError
from vision.location import File, Location
from vision.preprocessing import Preprocessing

UNREADABLE = {"format": "", "mode": "", "width": 0, "height": 0, "is_readable": False}
TEMPORARY = ".tmp"
NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

Row = dict[str, Any]


def write_shard(
    file: Path, preprocessing: Preprocessing, location: Location, files: Sequence[File]
) -> list[Row]:
    """Writes `file` (.npy, (n, H, W, 3) uint8; zeros where unreadable), whole or not at all.

    The rows have path, size and time as listed, sha256, Manifest's columns of the header, and the reason
    where a file is no image. DataError where the disk is full.
    """
    temporary = file.with_name(f"{file.name}.{os.getpid()}{TEMPORARY}")
    try:
        with temporary.open("wb") as shard:
            _write_header(shard, (len(files), *preprocessing.image_size, 3))
            rows = [_read_into(shard, preprocessing, location, listed) for listed in files]
        temporary.rename(file)
    except OSError as error:
        raise DataError(_no_space(file.parent, error)) from error
    finally:
        temporary.unlink(missing_ok=True)
    return rows


def _write_header(shard: BinaryIO, shape: tuple[int, ...]) -> None:
    description = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(shard, description)


def _read_into(shard: BinaryIO, preprocessing: Preprocessing, location: Location, listed: File) -> Row:
    row, pixels = _read(preprocessing, location, listed)
    shard.write(np.ascontiguousarray(pixels).data)
    return row


def _read(preprocessing: Preprocessing, location: Location, listed: File) -> tuple[Row, Pixels]:
    row: Row = {
        "path": listed.path,
        "listed_bytes": listed.size_bytes,
        "modified_ns": listed.modified_ns,
        "size_bytes": listed.size_bytes,
        "sha256": "",
    }
    blank = np.zeros((*preprocessing.image_size, 3), np.uint8)
    try:
        data = location.read(listed.path)
    except OSError as error:
        reason = f"the file cannot be read: {error.strerror or error}"
        return row | UNREADABLE | {"reason": reason}, blank
    row |= {"size_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    try:
        decoded = preprocessing.decode(data)
    except ImageError as error:
        return row | UNREADABLE | {"reason": str(error)}, blank
    header = {name: getattr(decoded, name) for name in ("format", "mode", "width", "height")}
    return row | header | {"is_readable": True, "reason": ""}, preprocessing.fit(decoded.pixels)


def _no_space(folder: Path, error: OSError) -> str:
    if error.errno not in NO_SPACE:
        return f"prepared images cannot be written to {folder}: {error.strerror or error}"
    return (
        f"no space left for prepared images in {folder} ({error.strerror}): free some, move the workspace"
        " with SIGHTLINE_HOME, or set a smaller config.prepare.image_size; what was finished is kept"
    )
