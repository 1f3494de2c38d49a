"""Images in folders named after their class, in either of two layouts.

    path/train/<class>/...  path/validation/<class>/...  path/test/<class>/...    (train is the least)
    path/<class>/...                                                              (Sightline splits)

Images in folders below a class count for that class. Hidden files, hidden folders and files that have no
image's extension are no images; whatever else is passed over is logged.
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from vision.data_config import DataConfig
from vision.errors import DataError
from vision.manifest import SPLITS
from vision.sources.listing import ListedImage, Listing

logger = logging.getLogger(__name__)

# The extensions of vision.preprocessing.FORMATS, in lower case.
EXTENSIONS = frozenset(
    (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".apng", ".bmp", ".gif", ".tif", ".tiff")
)
SPLIT_FOLDERS = {"train": "train", "validation": "validation", "val": "validation", "valid": "validation"}
SPLIT_FOLDERS["test"] = "test"
# What desktops leave behind: a folder that holds nothing else is no class (flowers/ of the development
# data has such a one), whereas a folder that is empty, or full of other files, is a mistake to point at.
LEFTOVERS = frozenset((".DS_Store", "Thumbs.db", "desktop.ini"))
# A stratified split into train, validation and test at 20 % each needs five.
MIN_IMAGES_TO_SPLIT = 5
LAYOUTS = "allowed are PATH/<class>/... or PATH/train/<class>/... with validation/ and test/ beside train/"
WHERE = "set config.data.path in the YAML"


def list_images(data: DataConfig, data_folder: Path) -> Listing:
    """Every image below `config.data.path`; DataError where a layout or a class cannot be learned from."""
    root = _checked_root(data.path)
    splits = _split_folders(root)
    rows: list[ListedImage] = []
    for folder, split in splits.items() or {root: ""}.items():
        rows.extend(_list_classes(root, folder, split))
    _check_classes(root, rows)
    return Listing(root, tuple(sorted(rows, key=lambda row: row.path)))


def _checked_root(path: Path | None) -> Path:
    if path is None:
        raise DataError(f"no folder of images given: {LAYOUTS}; {WHERE}")
    root = path.expanduser().resolve()
    if not root.exists():
        raise DataError(f'no folder at "{path}" (that is {root}): {LAYOUTS}; {WHERE}')
    if not root.is_dir():
        raise DataError(f'"{path}" is a file, not a folder: {LAYOUTS}; {WHERE}')
    return root


def _split_folders(root: Path) -> dict[Path, str]:
    """The folders that are splits, {} where `root` holds classes."""
    folders = _folders(root)
    named = {folder: SPLIT_FOLDERS.get(folder.name.lower(), "") for folder in folders}
    splits = {folder: split for folder, split in named.items() if split}
    others = [folder.name for folder in folders if folder not in splits]
    # A folder called "train" that holds images itself, beside other folders, is the class of trains.
    trains = [folder for folder, split in splits.items() if split == "train" and _folders(folder)]
    if not splits or (others and not trains):
        return {}
    if "train" not in splits.values():
        raise DataError(f"{root} holds {_names(splits)} and no train folder: {LAYOUTS}; {WHERE}")
    if len(set(splits.values())) < len(splits):
        raise DataError(f"{root} has two folders for one split: {_names(splits)}; join them, or {WHERE}")
    if others:
        logger.warning("%s: only %s are read, passed over: %s", root, _names(splits), ", ".join(others))
    return splits


def _list_classes(root: Path, folder: Path, split: str) -> Iterator[ListedImage]:
    loose = [path.name for path in sorted(folder.iterdir()) if path.is_file() and _is_image(path.name)]
    classes = [path for path in _folders(folder) if not _is_leftover(path)]
    if not classes:
        found = f"{len(loose)} images without a class folder" if loose else "no folders"
        raise DataError(f"no class folders in {folder}: it holds {found}; {LAYOUTS}; {WHERE}")
    if loose:
        logger.warning(
            "%s: %d images lie beside the class folders, have no class and are passed over: %s",
            folder, len(loose), ", ".join(loose[:5]),
        )  # fmt: skip
    for class_folder in classes:
        rows = list(_list_files(root, class_folder, split))
        if not rows:
            raise DataError(
                f'class "{class_folder.name}" has no image: nothing in {class_folder} ends in'
                f" {' '.join(sorted(EXTENSIONS))}; add images, remove the folder, or {WHERE}"
            )
        yield from rows


def _list_files(root: Path, class_folder: Path, split: str) -> Iterator[ListedImage]:
    for folder, subfolders, names in os.walk(class_folder):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        for name in filter(_is_image, names):
            path = os.path.join(folder, name)  # noqa: PTH118 - ten times faster than Path, per image
            relative = os.path.relpath(path, root).replace(os.sep, "/")
            _check_name(relative)
            size, modified = _size_and_time(path)
            yield ListedImage(relative, class_folder.name, split, size, modified)


def _check_name(path: str) -> None:
    if not path.isprintable():
        raise DataError(
            f"file name {path!r} holds characters that cannot be written into a table: rename the file"
        )


def _size_and_time(path: str) -> tuple[int, int]:
    try:
        status = os.stat(path)  # noqa: PTH116 - as above
    except OSError:  # a broken link: measuring it names it as unreadable, with the reason
        return 0, 0
    return status.st_size, status.st_mtime_ns


def _check_classes(root: Path, rows: list[ListedImage]) -> None:
    counts = Counter(row.label for row in rows if row.split in ("", "train"))
    strangers = sorted({f"{row.split}/{row.label}" for row in rows if row.label not in counts})
    if strangers:
        raise DataError(
            f"classes without a training image in {root}: {', '.join(strangers)}; allowed are the"
            f" classes of train: {_names(counts)}; add them to train/, remove them, or {WHERE}"
        )
    if len(counts) == 1:
        raise DataError(
            f"only one class in {root}: {_names(counts)}; at least 2 are needed; {LAYOUTS}; {WHERE}"
        )
    small = {label: count for label, count in counts.items() if count < MIN_IMAGES_TO_SPLIT}
    if small and not rows[0].split:
        found = ", ".join(f"{label} ({count})" for label, count in sorted(small.items()))
        raise DataError(
            f"classes with fewer than {MIN_IMAGES_TO_SPLIT} images in {root}: {found}; that is the least for"
            f" a split into {', '.join(SPLITS)}; add images, remove the classes, or {WHERE}"
        )


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _is_image(name: str) -> bool:
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in EXTENSIONS  # noqa: PTH122


def _is_leftover(folder: Path) -> bool:
    names = {path.name for path in folder.iterdir()}
    if names and names <= LEFTOVERS:
        logger.warning("%s holds nothing but %s: passed over", folder, ", ".join(sorted(names)))
        return True
    return False


def _names(folders: object) -> str:
    names = sorted(getattr(name, "name", name) for name in folders)  # type: ignore[attr-defined]
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
