"""Images, folders, globs and tables -> the images that they name, one after the other, never all at once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from glob import has_magic, iglob
from pathlib import PurePosixPath

from vision.batch.named import NamedImage
from vision.batch.tables import name_rows
from vision.batch_config import BatchConfig
from vision.errors import ConfigError, DataError
from vision.location import File, Location
from vision.sources.class_folders import EXTENSIONS
from vision.sources.table_file import PARQUET

ALLOWED = (
    f"allowed are image files, folders of files that end in {', '.join(sorted(EXTENSIONS))}, globs in quotes"
    f" and {PARQUET} tables, local or URLs that fsspec knows; mend the command or config.batch.paths"
)


def name_images(config: BatchConfig) -> Iterator[NamedImage]:
    """Every image of config.batch.paths, in the order of the paths, within a folder in none.

    An image that is named twice comes twice. DataError where a path names nothing.
    """
    if not config.paths:
        raise ConfigError(f"no images given: {ALLOWED}")
    for text in config.paths:
        number = 0
        for number, image in enumerate(_named_by(text, config), start=1):  # noqa: B007 - asked below
            yield image
        if not number:
            raise DataError(f'no image at "{text}": {ALLOWED}')


def _named_by(text: str, config: BatchConfig) -> Iterator[NamedImage]:
    place = text.removeprefix("file://")
    is_remote = "://" in place
    if not is_remote:
        place = os.path.abspath(os.path.expanduser(place))  # noqa: PTH100, PTH111 - links keep their names
    if not has_magic(place) or (not is_remote and os.path.exists(place)):  # noqa: PTH110
        yield from _at(place, config, is_chosen=True)
        return
    goes_down = "**" in place  # and so matches what is in a folder, beside the folder
    for match in _matches(place) if is_remote else iglob(place, recursive=True):  # noqa: PTH207 - streams
        if not (goes_down and _is_folder(match)):
            yield from _at(match, config, is_chosen=False)


def _matches(url: str) -> list[str]:
    from fsspec.core import url_to_fs

    try:
        store, pattern = url_to_fs(url)
        return [str(store.unstrip_protocol(name)) for name in store.glob(pattern)]
    except Exception as error:  # each client has its own
        raise DataError(f'"{url}" cannot be listed ({type(error).__name__}: {error}); {ALLOWED}') from error


def _at(place: str, config: BatchConfig, *, is_chosen: bool) -> Iterator[NamedImage]:
    """What lies there. A file without an image's extension is one only if the user named it."""
    kind = PurePosixPath(place).suffix.lower()
    folder, _, name = place.rpartition("/")
    if _is_folder(place):
        yield from _below(Location.parse(place))
    elif kind == PARQUET or kind in EXTENSIONS or is_chosen:
        file = Location(folder or "/").describe(name if "://" in place else place)
        if file.size_bytes or file.modified_ns:
            yield from _in_file(place, file, config, is_table=kind == PARQUET)


def _is_folder(place: str) -> bool:
    """In a store it is told by the name, which costs no request."""
    if "://" in place:
        return PurePosixPath(place).suffix.lower() not in (*EXTENSIONS, PARQUET)
    return os.path.isdir(place)  # noqa: PTH112


def _in_file(place: str, file: File, config: BatchConfig, *, is_table: bool) -> Iterator[NamedImage]:
    if is_table:
        yield from name_rows(place, file, config)
    else:
        yield NamedImage(place, file.size_bytes, file.modified_ns)


def _below(folder: Location) -> Iterator[NamedImage]:
    for file in folder.files():
        if os.path.splitext(file.path)[1].lower() in EXTENSIONS:  # noqa: PTH122 - Path costs 5 us an image
            yield NamedImage(folder.join(file.path), file.size_bytes, file.modified_ns)
