"""The prediction log on disk: small parquet files, each whole or not at all, that name the time they cover.

    predictions/model=NAME/date=YYYY-MM-DD/BEGIN-END-PROCESS-NUMBER.parquet            what was answered
    predictions/_feedback/model=NAME/date=YYYY-MM-DD/BEGIN-END-PROCESS-NUMBER.parquet  what users say of it

BEGIN and END are the times of the oldest and newest row, in milliseconds since 1970, so that a question about
a time opens few files; readers of parquet folders pass over a name that begins with an underscore. A file is
of one bundle: its metadata has the class names, in the order of the probabilities.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import socket
import stat
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any
from urllib.parse import quote

from registry.arrow_columns import schema_of, table_of
from registry.prediction_rows import (
    FEEDBACK_COLUMNS,
    LATER_COLUMNS,
    PREDICTION_COLUMNS,
    Answered,
    Columns,
    Feedback,
    Prediction,
)
from registry.workspace import Workspace
from vision.errors import RegistryError

logger = logging.getLogger(__name__)

SCHEMA_VERSION = "1"
# A row group of a file.
ROWS_AT_ONCE = 512
DAY = 24 * 60 * 60 * 1000  # milliseconds
Row = Prediction | Feedback


def predictions_folder(workspace: Workspace) -> Path:
    return workspace.root / "predictions"


def feedback_folder(workspace: Workspace) -> Path:
    return predictions_folder(workspace) / "_feedback"


def kept_images_folder(workspace: Workspace) -> Path:
    """Some of the images that were answered, as they were sent: date=YYYY-MM-DD/ID, ID of the prediction."""
    return workspace.root / "kept_images"


def drawn(prediction_id: str) -> float:
    """Where the id is drawn, evenly in 0..1: an image below the share that is to be kept is kept."""
    return int.from_bytes(hashlib.sha256(prediction_id.encode()).digest()[:8]) / 2**64


def model_folder(folder: Path, model: str) -> Path:
    return folder / f"model={quote(model, safe='')}"


def grouped(rows: Iterable[Row]) -> list[list[Row]]:
    """The rows of each file, oldest first: of one kind, bundle and day."""

    by_file = groupby(sorted(rows, key=_file_key), _file_key)
    return [sorted(group, key=attrgetter("time")) for _, group in by_file]


def _file_key(row: Row) -> tuple[str, str, str, int]:
    pointer = row.answered.pointer
    return type(row).__name__, pointer.model, pointer.digest, row.time // DAY


@dataclass(frozen=True)
class Part:
    """Rows of a file as Arrow has them; those with one `key` may stand in one file."""

    key: tuple[str, str, str, int]
    answered: Answered
    begin: int  # the times of the oldest and newest row, in milliseconds since 1970
    end: int
    table: Any


def part_of(rows: Sequence[Row]) -> Part:
    """One group of `grouped`."""
    first, last = rows[0], rows[-1]
    columns = FEEDBACK_COLUMNS if isinstance(first, Feedback) else PREDICTION_COLUMNS
    return Part(_file_key(first), first.answered, first.time, last.time, table_of(rows, columns))


def write_file(
    workspace: Workspace, parts: Sequence[Part], number: int, *, pause: Callable[[], None] | None = None
) -> None:
    """Writes parts of one key; `number` tells apart the files of this process.

    `pause` is called after each ROWS_AT_ONCE: between them others of the process have their turn.
    """
    import pyarrow as pa

    kind, model, *_ = parts[0].key
    begin, end = min(part.begin for part in parts), max(part.end for part in parts)
    folder = (feedback_folder if kind == Feedback.__name__ else predictions_folder)(workspace)
    day = datetime.fromtimestamp(begin / 1000, UTC).date().isoformat()
    place = model_folder(folder, model) / f"date={day}"
    table = pa.concat_tables([part.table for part in parts])
    with (
        whole_file(place / f"{begin}-{end}-{_process()}-{number}.parquet") as temporary,
        _writer(temporary, table.schema, parts[0].answered) as writer,
    ):
        for first in range(0, table.num_rows, ROWS_AT_ONCE):
            writer.write_table(table.slice(first, ROWS_AT_ONCE))
            if pause:
                pause()


def _process() -> str:
    """Digits that no other process has: in containers all are number 7 of their own hosts."""
    return f"{zlib.crc32(socket.gethostname().encode())}{os.getpid():07}"


@contextmanager
def _writer(path: Path, schema: Any, answered: Answered) -> Iterator[Any]:
    import pyarrow as pa
    from pyarrow import parquet

    # Arrow's own allocator would keep 20 MB for the next file. Its schema would be a second copy.
    # Dictionaries of numbers and hashes take two thirds of the time, and make the file a third larger.
    options = {"memory_pool": pa.system_memory_pool(), "store_schema": False, "use_dictionary": False}
    options |= {"compression": "zstd", "write_page_checksum": True}
    with parquet.ParquetWriter(path, schema, **options) as writer:
        yield writer
        writer.add_key_value_metadata(
            {
                "schema_version": SCHEMA_VERSION,
                "model": answered.pointer.model,
                "task": answered.task,
                "class_names": json.dumps(answered.class_names),
            }
        )


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary name beside the path, which becomes it on success; kill -9 leaves that one at most."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def trim(folder: Path, *, max_bytes: float, since: float = 0) -> None:
    """Deletes the oldest files below the folder until `max_bytes` are left, and all that were written before
    `since`, in seconds since 1970. What a killed process left half written goes with them.
    """
    total = 0
    for written, size, path in sorted(_files(folder), reverse=True):
        total += size
        if total > max_bytes or written < since:
            path.unlink(missing_ok=True)


def _files(folder: Path) -> Iterator[tuple[float, int, Path]]:
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):  # another process trims too
            status = path.lstat()
            if stat.S_ISREG(status.st_mode):
                yield status.st_mtime, status.st_size, path


def files_between(folder: Path, begin: int, end: int) -> list[Path]:
    """Files of a model's folder that may have rows of begin..end, in milliseconds; oldest first."""
    found = []
    for day in folder.glob("date=*"):
        midnight = _midnight(day.name.removeprefix("date="))
        if midnight is not None and begin - DAY < midnight <= end:
            found += [path for path in day.glob("*.parquet") if _overlaps(path, begin, end)]
    return sorted(found, key=_interval)


def _midnight(date: str) -> int | None:
    try:
        return int(datetime.fromisoformat(date).replace(tzinfo=UTC).timestamp()) * 1000
    except ValueError:
        return None


def _overlaps(path: Path, begin: int, end: int) -> bool:
    first, last = _interval(path)
    return first <= end and last >= begin


def _interval(path: Path) -> tuple[int, int]:
    """(0, -1), which is no time, of a file whose name is none of ours."""
    try:
        begin, end, _, _ = map(int, path.stem.split("-"))
    except ValueError:
        return 0, -1
    return begin, end


def read_file(path: Path, columns: Columns, names: Sequence[str] | None = None) -> Any | None:
    """The file's pyarrow.Table, of all columns or those named; None, and a warning, where it is damaged."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path, page_checksum_verification=True) as file:
            expected = _checked(file.schema_arrow.names, file.metadata.metadata, columns)
            table = _completed(file.read(columns=names, use_threads=False), names or list(columns))
        return table.cast(pa.schema([expected.field(name) for name in table.column_names], expected.metadata))
    except (pa.ArrowException, OSError, ValueError, RegistryError) as error:
        logger.warning("%s is passed over: %s", path, error)
        return None


def _completed(table: Any, names: Sequence[str]) -> Any:
    """The table with those columns; the ones that it lacks hold empty texts."""
    import pyarrow as pa

    for name in names:
        if name not in table.column_names:
            table = table.append_column(name, pa.nulls(table.num_rows, pa.string()).fill_null(""))
    return table


def _checked(names: list[str], found: Mapping[bytes, bytes] | None, columns: Columns) -> Any:
    """The schema that the file should have, with the file's metadata; RegistryError where it has another."""
    metadata = {key.decode(): value.decode() for key, value in (found or {}).items()}
    version = metadata.get("schema_version")
    known = [name for name in columns if name in names or name not in LATER_COLUMNS]
    if version != SCHEMA_VERSION or names != known:
        raise RegistryError(f"no log of schema version {SCHEMA_VERSION}: version {version}, columns {names}")
    return schema_of(columns, metadata)
