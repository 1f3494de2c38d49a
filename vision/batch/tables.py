"""Parquet files that name images, or hold them: a row an image, read a little at a time.

A table with the column of bytes holds the encoded images, and its column of paths, if there is one, their
names. Any other needs the column of paths; relative ones start from the table's folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from vision.batch.named import NamedImage
from vision.batch_config import BatchConfig
from vision.errors import DataError
from vision.location import File
from vision.sources.checks import first_names
from vision.sources.table_file import table_folder

ROWS = 1024  # names at a time
IMAGES = 32  # encoded images at a time
BUFFER_BYTES = 1 << 20  # without it a whole column of a row group is read at once


def name_rows(path: str, file: File, columns: BatchConfig) -> Iterator[NamedImage]:
    """A row of the table after the other; DataError where neither column is there, or of another type."""
    with _open(path) as table:
        schema = table.schema_arrow
        holds_bytes = columns.bytes_column in schema.names
        column = columns.path_column if columns.path_column in schema.names else None
        _check_columns(path, schema, columns, column)
        names = _texts(table, column) if column else iter([None] * table.metadata.num_rows)
        folder = table_folder(path)
        for row, name in enumerate(names):
            place = (
                f"{path}#{row}"  # what no file is called: a row without a path becomes a row with a reason
            )
            if holds_bytes:
                yield NamedImage(name or place, file.size_bytes, file.modified_ns, path, row)
            else:
                full = name if not name or "://" in name else folder.join(name)
                yield NamedImage(full or place, file.size_bytes, file.modified_ns)


def read_bytes(path: str, column: str, first: int, count: int) -> Iterator[bytes]:
    """The encoded images of `count` rows from `first` on; b"" where there is none.

    A row group is read from its start: write tables whose row groups have about as many rows as a part.
    """
    with _open(path) as table:
        begin = 0
        for group in range(table.num_row_groups):
            end = begin + table.metadata.row_group(group).num_rows
            if begin < first + count and first < end:
                batches = table.iter_batches(IMAGES, row_groups=[group], columns=[column])
                yield from _between(batches, first - begin, first + count - begin)
            begin = end


def _between(batches: Iterator[Any], first: int, last: int) -> Iterator[bytes]:
    """Values `first` to `last`, this one left out, of the batches' one column."""
    begin = 0
    for batch in batches:
        if begin >= last:
            return
        wanted = batch.column(0)[max(0, first - begin) : max(0, last - begin)]
        yield from (value or b"" for value in wanted.to_pylist())
        begin += batch.num_rows


def _texts(table: Any, column: str) -> Iterator[str | None]:
    for batch in table.iter_batches(ROWS, columns=[column]):
        yield from batch.column(0).to_pylist()


def _check_columns(path: str, schema: Any, columns: BatchConfig, name: str | None) -> None:
    from pyarrow import types

    if columns.bytes_column not in schema.names and name is None:
        found = first_names(f'"{each}"' for each in schema.names)
        raise DataError(
            f'{path} has neither a column "{columns.path_column}" of paths nor one "{columns.bytes_column}"'
            f" of encoded images: its columns are {found}; set --path-column, --bytes-column,"
            " config.batch.path_column or config.batch.bytes_column"
        )
    binary, text = (types.is_binary, types.is_large_binary), (types.is_string, types.is_large_string)
    for column, kinds, wanted in (
        (columns.bytes_column, binary, "bytes"),
        (columns.path_column, text, "text"),
    ):
        if column in schema.names and not any(kind(schema.field(column).type) for kind in kinds):
            received = schema.field(column).type
            raise DataError(f'{path}, column "{column}": received {received}, allowed is {wanted}')


@contextmanager
def _open(path: str) -> Iterator[Any]:
    """An open pyarrow ParquetFile."""
    import pyarrow
    from pyarrow.parquet import ParquetFile

    try:
        if "://" in path:
            import fsspec

            file = fsspec.open(path).open()
        else:
            file = open(path, "rb")  # noqa: PTH123, SIM115 - closed below
        with file:
            yield ParquetFile(file, buffer_size=BUFFER_BYTES)
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(
            f"{path} cannot be read as a parquet table: {error}; mend it or leave it out"
        ) from error
