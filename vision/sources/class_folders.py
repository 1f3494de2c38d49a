"""Images in folders named after their class, in either of two layouts, on a disk or in an object store.

    path/train/<class>/...  path/validation/<class>/...  path/test/<class>/...    (train is the least)
    path/<class>/...                                                              (Sightline splits)

Images in folders below a class count for that class. Hidden files, hidden folders and files that have no
image's extension are no images; whatever else is passed over is logged. Object stores have no empty folders,
so an empty class is an error on a disk alone.
"""

from __future__ import annotations

import logging
import os
import posixpath
from collections.abc import Iterable, Sequence
from pathlib import Path

from vision.data_config import DataConfig
from vision.errors import DataError
from vision.location import WHERE, File, Location
from vision.sources.checks import check_listing, first_names
from vision.sources.listing import ListedImage, Listing
from vision.sources.table_file import is_table

logger = logging.getLogger(__name__)

# The extensions of vision.decoding.FORMATS, in lower case.
EXTENSIONS = frozenset(
    (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".apng", ".bmp", ".gif", ".tif", ".tiff")
)
SPLIT_FOLDERS = {"train": "train", "validation": "validation", "val": "validation", "valid": "validation"}
SPLIT_FOLDERS["test"] = "test"
# What desktops leave behind: a folder that holds nothing else is no class (flowers/ of the development
# data has such a one), whereas a folder that is empty, or full of other files, is a mistake to point at.
LEFTOVERS = frozenset((".DS_Store", "Thumbs.db", "desktop.ini"))
LAYOUTS = "allowed are PATH/<class>/... or PATH/train/<class>/... with validation/ and test/ beside train/"
# Folder -> the folders in it, by name.
Folders = dict[str, set[str]]


def list_images(data: DataConfig, data_folder: Path) -> Listing:
    """Every image below `config.data.path`; DataError where a layout or a class cannot be learned from."""
    location = _checked_location(data.path)
    files = list(location.files())
    folders = _folders(location, files)
    rows: list[ListedImage] = []
    for folder, split in (_split_folders(location, folders) or {"": ""}).items():
        inside = [file for file in files if not folder or file.path.startswith(f"{folder}/")]
        classes = folders.get(folder, set(folders))
        rows.extend(_list_classes(location, folder, split=split, files=inside, classes=classes))
    listing = Listing(location.url, tuple(sorted(rows, key=lambda row: row.path)))
    check_listing(listing, f"{LAYOUTS}; {WHERE}")
    return listing


def _checked_location(path: str | None) -> Location:
    if path is None:
        raise DataError(f"no folder of images given: {LAYOUTS}; {WHERE}")
    location = Location.parse(path)
    if is_table(path) and not Path(location.url).is_dir():
        raise DataError(f'"{path}" is a table, not a folder: set config.data.source: table, or {WHERE}')
    if location.is_local and not Path(location.url).exists():
        raise DataError(f'no folder at "{path}" (that is {location.url}): {LAYOUTS}; {WHERE}')
    if location.is_local and not Path(location.url).is_dir():
        raise DataError(f'"{path}" is a file, not a folder: {LAYOUTS}; {WHERE}')
    return location


def _folders(location: Location, files: Iterable[File]) -> Folders:
    """The folders at the top, and those in them: empty ones too, where the location has such."""
    folders: Folders = {name: set() for name in _local_folders(location)}
    for name, below in folders.items():
        if name.lower() in SPLIT_FOLDERS:
            below.update(_local_folders(location, name))
    for file in files:
        parents = file.path.split("/", 2)[:-1]
        if parents:
            folders.setdefault(parents[0], set()).update(parents[1:])
    return folders


def _local_folders(location: Location, folder: str = ".") -> list[str]:
    if not location.is_local:
        return []
    with os.scandir(location.join(folder)) as entries:
        return [entry.name for entry in entries if entry.is_dir() and not entry.name.startswith(".")]


def _split_folders(location: Location, folders: Folders) -> dict[str, str]:
    """Folder -> split for the folders that are splits, {} where the location holds classes."""
    splits = {name: SPLIT_FOLDERS[name.lower()] for name in folders if name.lower() in SPLIT_FOLDERS}
    others = folders.keys() - splits.keys()
    # A folder called "train" that holds images itself, beside other folders, is the class of trains.
    trains = [name for name, split in splits.items() if split == "train" and folders[name]]
    if not splits or (others and not trains):
        return {}
    if "train" not in splits.values():
        raise DataError(f"{location.url} holds {first_names(splits)} and no train folder: {LAYOUTS}; {WHERE}")
    if len(set(splits.values())) < len(splits):
        found = first_names(splits)
        raise DataError(f"{location.url} has two folders for one split: {found}; join them, or {WHERE}")
    if others:
        found, passed = first_names(splits), first_names(others)
        logger.warning("%s: only %s are read, passed over: %s", location.url, found, passed)
    return splits


def _list_classes(
    location: Location, folder: str, *, split: str, files: Sequence[File], classes: set[str]
) -> list[ListedImage]:
    """The images of the class folders in `folder`, "" for the location itself; `files` lie below it."""
    depth = 1 if folder else 0
    images = [file for file in files if _is_image(file.path)]
    loose = [file.path for file in images if file.path.count("/") == depth]
    rows = [
        ListedImage(file.path, file.path.split("/")[depth], split, file.size_bytes, file.modified_ns)
        for file in images
        if file.path.count("/") > depth
    ]
    empty = sorted(classes - {row.label for row in rows})
    wrong = [name for name in empty if not _is_leftover(location, posixpath.join(folder, name), files)]
    _check_folder(location.join(folder) if folder else location.url, wrong, loose, has_classes=bool(rows))
    return rows


def _check_folder(place: str, empty: list[str], loose: list[str], *, has_classes: bool) -> None:
    if empty:
        raise DataError(
            f'class "{empty[0]}" has no image: nothing in {place}/{empty[0]} ends in'
            f" {' '.join(sorted(EXTENSIONS))}; add images, remove the folder, or {WHERE}"
        )
    if not has_classes:
        found = f"{len(loose)} images without a class folder" if loose else "no folders and no images"
        raise DataError(f"no class folders in {place}: it holds {found}; {LAYOUTS}; {WHERE}")
    if loose:
        logger.warning(
            "%s: %d images lie beside the class folders, have no class and are passed over: %s",
            place, len(loose), ", ".join(sorted(loose)[:5]),
        )  # fmt: skip


def _is_leftover(location: Location, folder: str, files: Sequence[File]) -> bool:
    if location.is_local:
        names = set(os.listdir(location.join(folder)))  # noqa: PTH208 - hidden files too
    else:
        names = {file.path.removeprefix(f"{folder}/") for file in files if file.path.startswith(f"{folder}/")}
    if names and names <= LEFTOVERS:
        logger.warning("%s holds nothing but %s: passed over", location.join(folder), first_names(names))
        return True
    return False


def _is_image(path: str) -> bool:
    return os.path.splitext(path)[1].lower() in EXTENSIONS  # noqa: PTH122
