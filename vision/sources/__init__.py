"""SOURCES: where images can come from, by the name in `config.data.source`.

A source is `list_images(data, data_folder) -> Listing`: it says which files there are, with their labels
and splits, and opens none of them. `data_folder` is where Sightline keeps data sets that it writes itself.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from vision.data_config import DataConfig
from vision.sources import class_folders, digits, table, tfds
from vision.sources.listing import Listing
from vision.sources.table_file import is_table

SOURCES: dict[str, Callable[[DataConfig, Path], Listing]] = {
    "class_folders": class_folders.list_images,
    "table": table.list_images,
    "tfds": tfds.list_images,
    "digits": digits.list_images,
}


def list_images(data: DataConfig, data_folder: Path) -> Listing:
    """Every image of the configured source; DataError where there is nothing to learn from."""
    return SOURCES[data.source](data, data_folder)


def guess_source(path: str) -> DataConfig:
    """The source for a folder or a file, local or a URL, by its name alone: nothing is opened."""
    return DataConfig(source="table" if is_table(path) else "class_folders", path=path)
