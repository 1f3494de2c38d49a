"""SOURCES: where images can come from, by the name in `config.data.source`.

A source is `list_images(data, data_folder) -> Listing`: it says which files there are, with their labels
and splits, and opens none of them. `data_folder` is where Sightline keeps data sets that it writes itself.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from vision.data_config import DataConfig
from vision.sources import class_folders, digits
from vision.sources.listing import Listing

SOURCES: dict[str, Callable[[DataConfig, Path], Listing]] = {
    "class_folders": class_folders.list_images,
    "digits": digits.list_images,
}


def list_images(data: DataConfig, data_folder: Path) -> Listing:
    """Every image of the configured source; DataError where there is nothing to learn from."""
    return SOURCES[data.source](data, data_folder)
