"""A CSV or parquet file as columns of text, with the place of each row for messages.

Everything is text: class "01" stays "01", and "NA", "null" and "None" are names. CSV is read by Python's own
reader, which knows the line of each row and takes no value for a missing one.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from vision.errors import DataError
from vision.location import WHERE, Location
from vision.manifest import SEPARATOR
from vision.sources.checks import SHOWN, first_names

DELIMITERS = {".csv": ",", ".tsv": "\t"}
PARQUET = ".parquet"
EXTENSIONS = (*DELIMITERS, PARQUET)
ALLOWED = f"allowed is a file that ends in {', '.join(EXTENSIONS)}"


@dataclass(frozen=True)
class Table:
    """`columns` hold texts of one length, "" where a value is missing; row i is `unit` `places[i]`.

    `further` are columns that nobody asked for: those of plain values whose name stands there once.
    """

    name: str
    all_names: tuple[str, ...]
    columns: dict[str, list[str]]
    further: dict[str, list[str]]
    unit: str  # "line" of a CSV, "row" of a parquet file
    places: list[int]

    def describe(self, rows: Collection[int], column: str) -> str:
        """`line 3 ("a.jpg"), line 7 ("b.jpg") and 5 more`."""
        values = self.columns[column]
        shown = [f'{self.unit} {self.places[row]} ("{values[row]}")' for row in sorted(rows)[:SHOWN]]
        return ", ".join(shown) + (f" and {len(rows) - SHOWN} more" if len(rows) > SHOWN else "")


def is_table(path: str) -> bool:
    """Whether the name is that of a file which `read_table` reads."""
    return path.lower().endswith(EXTENSIONS)


def table_folder(path: str) -> Location:
    """The folder that the file lies in; a link's own, not that of the file it leads to."""
    return Location.parse(path.rpartition("/")[0] if "://" in path else Path(path).expanduser().parent)


def read_table(path: str, wanted: Iterable[str]) -> Table:
    """Those of the `wanted` columns that there are, and the others; DataError where it cannot be read."""
    if not is_table(path):
        raise DataError(
            f'"{path}" is no table: {ALLOWED}; {WHERE}, or for a folder of class folders set'
            " config.data.source: class_folders"
        )
    data = _read_bytes(path)
    names = frozenset(wanted)
    if path.lower().endswith(PARQUET):
        return _read_parquet(path, data, names)
    return _read_csv(path, data, names)


def _read_bytes(path: str) -> bytes:
    try:
        return table_folder(path).read(PurePosixPath(path).name)
    except DataError:
        raise
    except IsADirectoryError as error:
        raise DataError(
            f'"{path}" is a folder, not a file: for class folders set config.data.source: class_folders'
        ) from error
    except Exception as error:  # OSError, and what the clients of object stores raise
        reason = f"{type(error).__name__}: {error}"
        raise DataError(f'no table can be read at "{path}" ({reason}): {ALLOWED}; {WHERE}') from error


def _read_csv(path: str, data: bytes, wanted: frozenset[str]) -> Table:
    reader = csv.reader(
        io.StringIO(_decode(path, data), newline=""),
        delimiter=DELIMITERS[Path(path).suffix.lower()],
        skipinitialspace=True,
        strict=True,
    )
    rows: list[list[str]] = []
    places: list[int] = []
    line = 1
    try:
        for row in reader:
            if row:  # an empty line is no row
                rows.append(row)
                places.append(line)
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataError(
            f"{path} is broken near line {reader.line_num}: {error}; mend it, or {WHERE}"
        ) from error
    return _table(path, rows, places, wanted)


def _decode(path: str, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path} is not UTF-8, first in line {line}: save it as UTF-8, or {WHERE}") from error


def _table(path: str, rows: list[list[str]], places: list[int], wanted: frozenset[str]) -> Table:
    if len(rows) < 2:
        raise DataError(f"{path} has {'a header and no rows' if rows else 'no lines'}: add rows, or {WHERE}")
    names = [name.strip() for name in rows[0]]
    ragged = [place for row, place in zip(rows, places, strict=True) if len(row) != len(names)]
    if ragged:
        shown = ", ".join(map(str, ragged[:SHOWN])) + (" and more" if len(ragged) > SHOWN else "")
        raise DataError(
            f"{path}: the header has {len(names)} columns, other numbers have {len(ragged)} lines: {shown};"
            f" put values that hold the delimiter in double quotes, or {WHERE}"
        )
    _check_unique(path, names, wanted)
    columns = dict(zip(names, map(list, zip(*rows[1:], strict=True)), strict=True))
    further = {name: columns.pop(name) for name in _further(names, wanted)}
    chosen = {name: columns[name] for name in columns if name in wanted}
    return Table(path, tuple(names), chosen, further, "line", places[1:])


def _further(names: list[str], wanted: frozenset[str]) -> list[str]:
    return [name for name in names if name and name not in wanted and names.count(name) == 1]


def _check_unique(path: str, names: list[str], wanted: frozenset[str]) -> None:
    doubled = {name for name in names if name in wanted and names.count(name) > 1}
    if doubled:
        raise DataError(f"{path} has two columns of one name: {first_names(doubled)}; rename one, or {WHERE}")


def _read_parquet(path: str, data: bytes, wanted: frozenset[str]) -> Table:
    import pyarrow
    from pyarrow.parquet import ParquetFile

    try:
        file = ParquetFile(pyarrow.BufferReader(data))
        names = file.schema_arrow.names
        _check_unique(path, names, wanted)
        further = [name for name in _further(names, wanted) if _is_plain(file.schema_arrow.field(name).type)]
        read = file.read(columns=[name for name in names if name in wanted] + further)
        columns = {name: _texts(read[name]) for name in read.column_names}
    except pyarrow.ArrowException as error:
        raise DataError(f"{path} is no parquet file of texts and numbers: {error}; {WHERE}") from error
    if not read.num_rows:
        raise DataError(f"{path} has columns and no rows: add rows, or {WHERE}")
    others = {name: columns.pop(name) for name in further}
    return Table(path, tuple(names), columns, others, "row", list(range(1, read.num_rows + 1)))


def _is_plain(kind: Any) -> bool:
    from pyarrow import types

    checks = (
        types.is_string, types.is_large_string, types.is_dictionary,
        types.is_integer, types.is_floating, types.is_boolean,
    )  # fmt: skip
    return any(check(kind) for check in checks)


def _texts(column: Any) -> list[str]:
    """One text a row; a list of labels as labels joined by "|"."""
    import pyarrow
    from pyarrow import compute, types

    if types.is_list(column.type) or types.is_large_list(column.type):
        column = compute.binary_join(column.cast(pyarrow.list_(pyarrow.string())), SEPARATOR)
    elif types.is_floating(column.type):  # integers with gaps, as pandas keeps them
        column = compute.if_else(compute.is_nan(column), None, column)
    return [text or "" for text in column.cast(pyarrow.string()).to_pylist()]
