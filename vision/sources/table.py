"""A CSV or parquet file that names images and their labels, on a disk or in an object store.

    path,label,split,group,camera           one label an image, or several joined by "|"
    images/1.jpg,cat|dog,train,p7,phone

Split and group may lack; further columns go with the image, and the report tells how the model does by them.
Paths lie below `config.data.images`, or else below the table's own folder. A path without a file is no error
here, as long as others have one: reading it names it, and it is left out.
"""

from __future__ import annotations

import logging
import ntpath
import posixpath
from collections import Counter
from collections.abc import Collection
from pathlib import Path

from vision.data_config import DataConfig, TableColumns
from vision.errors import DataError
from vision.location import WHERE, File, Location
from vision.manifest import OWN_COLUMNS, SEPARATOR
from vision.sources.checks import check_listing, check_printable, first_names
from vision.sources.class_folders import SPLIT_FOLDERS
from vision.sources.listing import ListedImage, Listing
from vision.sources.table_file import ALLOWED, Table, read_table, table_folder

logger = logging.getLogger(__name__)

COLUMNS = "set config.data.columns in the YAML, or mend the table"
TASK = "set config.data.task: multi_label in the YAML"


def list_images(data: DataConfig, data_folder: Path) -> Listing:
    """Every row of the table at `config.data.path`; DataError, with the rows, where one cannot be used."""
    if data.path is None:
        raise DataError(f"no table of images given: {ALLOWED}; {WHERE}")
    table = read_table(data.path, {*data.columns.model_dump().values(), "labels"})
    columns = _choose_columns(table, data.columns)
    location = Location.parse(data.images) if data.images else table_folder(data.path)
    paths = _paths(table, columns.path)
    is_multi_label = _is_multi_label(table, columns.label, data.task)
    labels = _labels(table, columns.label, is_multi_label=is_multi_label)
    splits = _splits(table, columns.split)
    groups = [group.strip() for group in table.columns.get(columns.group, [""] * len(paths))]
    files = _files(location, paths)
    names = tuple(name for name in table.further if name not in OWN_COLUMNS)
    further = zip(*(table.further[name] for name in names), strict=True) if names else [()] * len(paths)
    rows = [
        ListedImage(file.path, label, split, file.size_bytes, file.modified_ns, group, values)
        for file, label, split, group, values in zip(files, labels, splits, groups, further, strict=True)
    ]
    listing = Listing(location.url, tuple(sorted(rows, key=lambda row: row.path)), is_multi_label, names)
    check_listing(listing, f"mend {data.path}, or {WHERE}")
    return listing


def _choose_columns(table: Table, columns: TableColumns) -> TableColumns:
    """The columns as the table has them; those that it may lack are then no columns of it."""
    if columns.label == "label" and "label" not in table.columns and "labels" in table.columns:
        columns = columns.model_copy(update={"label": "labels"})
    defaults = TableColumns()
    for field, name in columns.model_dump().items():
        is_needed = field in ("path", "label") or name != getattr(defaults, field)
        if is_needed and name not in table.columns:
            found = first_names(f'"{column}"' for column in table.all_names)
            raise DataError(
                f'{table.name} has no column "{name}" for the {field}: its columns are {found};'
                f" set config.data.columns.{field} in the YAML"
            )
    return columns


def _paths(table: Table, column: str) -> list[str]:
    """Paths as they are compared: `./a//b.jpg` is a/b.jpg."""
    given = table.columns[column]
    _refuse(table, column, "rows without a path", [row for row, path in enumerate(given) if not path.strip()])
    leaving = [row for row, path in enumerate(given) if _leaves(path)]
    allowed = "paths are relative to the folder of the images, with forward slashes and without .."
    _refuse(table, column, "paths that are not allowed", leaving, advice=f"{allowed}; {COLUMNS}")
    paths = [posixpath.normpath(path) for path in given]
    counts = Counter(paths)
    doubled = [row for row, path in enumerate(paths) if counts[path] > 1]
    advice = f"leave one row an image, or {WHERE}"
    _refuse(table, column, "rows of images that have several", doubled, advice=advice)
    return paths


def _leaves(path: str) -> bool:
    return (
        path.startswith("/")
        or "\\" in path
        or "://" in path
        or ".." in path.split("/")
        or bool(ntpath.splitdrive(path)[0])  # C:
    )


def _is_multi_label(table: Table, column: str, task: str) -> bool:
    joined = [row for row, label in enumerate(table.columns[column]) if SEPARATOR in label]
    if task == "multi_class":
        advice = f'"{SEPARATOR}" joins several labels; {TASK}, or {COLUMNS}'
        _refuse(table, column, "labels that task: multi_class does not allow", joined, advice=advice)
    return task == "multi_label" or bool(joined)


def _labels(table: Table, column: str, *, is_multi_label: bool) -> list[str]:
    labels = [label.strip() for label in table.columns[column]]
    for label in set(labels):
        check_printable("label", label, advice="mend the table")
    if is_multi_label:
        labels = [_sorted_label(label) for label in labels]
        if not any(labels):
            raise DataError(f'{table.name} has no label in column "{column}": {COLUMNS}')
        return labels
    missing = [row for row, label in enumerate(labels) if not label]
    advice = f"{COLUMNS}; where images may have no class at all, {TASK}"
    _refuse(table, column, "rows without a label", missing, advice=advice)
    return labels


def _sorted_label(label: str) -> str:
    names = {name.strip() for name in label.split(SEPARATOR)}
    return SEPARATOR.join(sorted(names - {""}))


def _splits(table: Table, column: str) -> list[str]:
    """Splits by the names that split folders may have, "" where none is given."""
    allowed = {"": "", **SPLIT_FOLDERS}
    given = table.columns.get(column, [""] * len(table.places))
    names = [split.strip().lower() for split in given]
    unknown = [row for row, name in enumerate(names) if name not in allowed]
    advice = f"allowed are {first_names(SPLIT_FOLDERS)} and nothing, for a split that is drawn; {COLUMNS}"
    _refuse(table, column, "unknown splits", unknown, advice=advice)
    return [allowed[name] for name in names]


def _refuse(table: Table, column: str, what: str, rows: Collection[int], *, advice: str = COLUMNS) -> None:
    if rows:
        shown = table.describe(rows, column)
        raise DataError(f'{table.name}, column "{column}": {len(rows)} {what}: {shown}; {advice}')


def _files(location: Location, paths: list[str]) -> list[File]:
    """Size and time of each file, zeros where it is missing; DataError where all are."""
    if location.is_local:
        files = [location.describe(path) for path in paths]
    else:
        found = _remote_files(location, paths)
        files = [found.get(path, File(path, 0, 0)) for path in paths]
    missing = [file.path for file in files if not file.size_bytes and not file.modified_ns]
    if len(missing) == len(files):
        raise DataError(
            f"none of the {len(files)} images of the table lies below {location.url}, the first is"
            f' "{paths[0]}"; set config.data.images in the YAML to the folder that the paths start from'
        )
    if missing:
        share = f"{len(missing)} of {len(files)}"
        logger.warning("%s: %s images are missing: %s", location.url, share, first_names(missing))
    return files


def _remote_files(location: Location, paths: list[str]) -> dict[str, File]:
    """By path, in one listing of the deepest folder that holds them all: not one request an image."""
    folder = posixpath.commonpath([posixpath.dirname(path) for path in paths])
    below = Location(location.join(folder)) if folder else location
    found = {posixpath.join(folder, file.path): file for file in below.files()}
    return {path: File(path, file.size_bytes, file.modified_ns) for path, file in found.items()}
