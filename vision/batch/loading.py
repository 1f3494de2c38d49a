"""The bytes of a part's images, a batch at a time; a file that cannot be read is a reason, not an end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import groupby, islice
from typing import NamedTuple, TypeVar

from vision.batch.named import NamedImage
from vision.batch.tables import read_bytes
from vision.errors import DataError
from vision.location import Location

# Requests to a store at a time, of each process: they wait for the network, not for the processor.
READERS = 16
DISK = Location("/")

Item = TypeVar("Item")


class Loaded(NamedTuple):
    """An encoded image, or the reason why there is none."""

    path: str
    data: bytes
    reason: str = ""


def load_batches(images: Iterable[NamedImage], size: int, bytes_column: str) -> Iterator[list[Loaded]]:
    """The images in their order, at most `size` at a time; of remote files the next ones are fetched already.

    DataError where a store or a table cannot be reached: that says nothing about an image.
    """
    for (table, _), group in groupby(enumerate(images), key=_run):
        named = (image for _, image in group)
        if table is not None:
            yield from _of_table(table, list(named), size, bytes_column)
        else:
            yield from _of_files(named, size)


def _run(numbered: tuple[int, NamedImage]) -> tuple[str | None, int]:
    """Equal for rows of one table that follow each other, and for files that do."""
    place, image = numbered
    return (None, 0) if image.row is None else (image.table, image.row - place)


def _of_table(table: str, images: Sequence[NamedImage], size: int, column: str) -> Iterator[list[Loaded]]:
    values = read_bytes(table, column, images[0].row or 0, len(images))
    loaded = (Loaded(image.path, value) for image, value in zip(images, values, strict=True))
    try:
        yield from _batches(loaded, size)
    except ValueError as error:
        raise DataError(f"{table} has fewer rows than when the batch was begun: restore it") from error


def _of_files(images: Iterable[NamedImage], size: int) -> Iterator[list[Loaded]]:
    for is_remote, group in groupby((image.path for image in images), key=lambda path: "://" in path):
        if is_remote:
            yield from _fetched(group, size)
        else:
            yield from _batches(map(_read, group), size)


def _fetched(urls: Iterable[str], size: int) -> Iterator[list[Loaded]]:
    """Two batches are held: one that is worked on, one on its way."""
    with ThreadPoolExecutor(READERS) as pool:
        coming: list[Iterator[Loaded]] = []
        for batch in _batches(iter(urls), size):
            coming.append(pool.map(_fetch, batch))
            if len(coming) == 2:
                yield list(coming.pop(0))
        for last in coming:
            yield list(last)


def _read(path: str) -> Loaded:
    try:
        return Loaded(path, DISK.read(path))
    except OSError as error:
        return Loaded(path, b"", f"the file cannot be read: {error.strerror or error}")


def _fetch(url: str) -> Loaded:
    scheme, _, rest = url.partition("://")
    top, _, name = rest.partition("/")
    try:
        return Loaded(url, _store(f"{scheme}://{top}").read(name))
    except FileNotFoundError:
        return Loaded(url, b"", "the file cannot be read: there is none")
    except Exception as error:  # no network, credentials that ended: each client has its own
        raise DataError(
            f"{url} cannot be fetched ({type(error).__name__}: {error}); what is finished is kept: mend the"
            " network or the credentials and run the same again"
        ) from error


@lru_cache(maxsize=64)
def _store(url: str) -> Location:
    return Location(url)


def _batches(items: Iterator[Item], size: int) -> Iterator[list[Item]]:
    while batch := list(islice(items, size)):
        yield batch
