"""Images without labels, for pre-training: every image file below a folder."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import astuple
from pathlib import Path

from vision.errors import DataError
from vision.image_array import ShardedImages
from vision.location import File, Location
from vision.pixel_store import PixelStore
from vision.sources.class_folders import EXTENSIONS

logger = logging.getLogger(__name__)


def fingerprint_unlabelled(folder: Path) -> str:
    """Hex sha256 of names, sizes and times below `folder`; no file is opened."""
    location, files = _list(folder)
    content = json.dumps([location.url, [astuple(file) for file in files]])
    return hashlib.sha256(content.encode()).hexdigest()


def read_unlabelled(folder: Path, store: PixelStore) -> ShardedImages:
    """Pixels (N, H, W, 3), uint8, of each different image below `folder`, in the order of the paths.

    Files that cannot be decoded are passed over, and counted in the log; DataError where no image is left.
    """
    location, files = _list(folder)
    read = store.read(location, files)
    hashes = read.loc[read["is_readable"], "sha256"].drop_duplicates().tolist()
    if not hashes:
        raise DataError(
            f'none of {len(files)} files below "{folder}" can be decoded, the first because of'
            f" {read['reason'].iloc[0]}; set config.pretrain.images"
        )
    unreadable = int((~read["is_readable"]).sum())
    if unreadable:
        logger.warning("%d of %d files below %s cannot be decoded", unreadable, len(files), folder)
    return store.images(hashes)


def _list(folder: Path) -> tuple[Location, list[File]]:
    location = Location.parse(folder)
    if not Path(location.url).is_dir():
        raise DataError(f'no folder at "{folder}" (that is {location.url}); set config.pretrain.images')
    files = [file for file in location.files() if Path(file.path).suffix.lower() in EXTENSIONS]
    if not files:
        raise DataError(
            f'no image below "{folder}": allowed are {", ".join(sorted(EXTENSIONS))};'
            " set config.pretrain.images"
        )
    return location, sorted(files, key=lambda file: file.path)
