"""The prediction log read back: a time of it, for drift detection, or one answer, for feedback on it.

Files that are cut short, damaged or of another Sightline are passed over with a warning.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from registry.arrow_columns import schema_of
from registry.pointer import ChampionPointer
from registry.prediction_files import (
    feedback_folder,
    files_between,
    model_folder,
    predictions_folder,
    read_file,
)
from registry.prediction_rows import FEEDBACK_COLUMNS, PREDICTION_COLUMNS, Answered, Columns
from registry.workspace import Workspace

# A row's time is taken a moment after its id was made.
TOLERANCE = 5_000  # milliseconds
BEGINNING, END = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)


def new_prediction_id() -> str:
    """32 hex digits, the first 12 the time in milliseconds: a UUID version 7 (RFC 9562, section 5.7).

    The time says in which of thousands of files a prediction is to be found.
    """
    milliseconds, random = time.time_ns() // 1_000_000, int.from_bytes(os.urandom(10))
    # Version 7 in bits 76..79, variant 2 in bits 62 and 63.
    value = (milliseconds << 80 | random) & ~(0xF << 76 | 0x3 << 62) | 0x7 << 76 | 0x2 << 62
    return f"{value:032x}"


def find_prediction(workspace: Workspace, prediction_id: str) -> Answered | None:
    """What the client was told under that id; None where no file has it. It reads a file or two."""
    moment = int(prediction_id[:12], 16)
    for folder in predictions_folder(workspace).glob("model=*"):
        for path in files_between(folder, moment - TOLERANCE, moment + TOLERANCE):
            found = _find(path, prediction_id)
            if found is not None and found.arm != "shadow":  # nobody was told that
                return found
    return None


def _find(path: Path, prediction_id: str) -> Answered | None:
    names = ("id", "version", "digest", "arm", "names")
    table = read_file(path, PREDICTION_COLUMNS, names)
    # Not by pyarrow.compute, which imports pandas where it is installed.
    ids = [] if table is None else table["id"].to_pylist()
    if table is None or prediction_id not in ids:
        return None
    [row] = table.slice(ids.index(prediction_id), 1).to_pylist()
    metadata = table.schema.metadata
    return Answered(
        pointer=ChampionPointer(metadata[b"model"].decode(), row["version"], row["digest"]),
        arm=row["arm"],
        task=metadata[b"task"].decode(),
        class_names=tuple(json.loads(metadata[b"class_names"])),
        names=tuple(row["names"]),
    )


def read_predictions(
    workspace: Workspace, model: str, *, since: datetime = BEGINNING, until: datetime = END
) -> Any:
    """A pyarrow.Table of the model's predictions of since <= time < until, both aware, oldest first.

    Columns: those of PREDICTION_COLUMNS; `truth`, the classes that the last feedback on the row gave, its
    `comment`, and the name of the `key` that it came with; `right`, whether that is what was predicted. The
    four are null without feedback. In the metadata, `class_names` (JSON) has those of each bundle, by digest,
    in the order of the probabilities, and `tasks` its task.
    """
    begin, end = _milliseconds(since), _milliseconds(until)
    tables = _tables(model_folder(predictions_folder(workspace), model), begin, end, PREDICTION_COLUMNS)
    rows = _joined(tables, PREDICTION_COLUMNS).sort_by("time")
    # What is said of a prediction is said later, whenever.
    said = _tables(
        model_folder(feedback_folder(workspace), model), begin, _milliseconds(END), FEEDBACK_COLUMNS
    )
    judged = _with_feedback(_within(rows, since, until), _joined(said, FEEDBACK_COLUMNS).sort_by("time"))
    return judged.replace_schema_metadata(
        {"class_names": json.dumps(_class_names(tables)), "tasks": json.dumps(_tasks(tables))}
    )


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _tables(folder: Path, begin: int, end: int, columns: Columns) -> list[Any]:
    tables = (read_file(path, columns) for path in files_between(folder, begin, end))
    return [table for table in tables if table is not None]


def _joined(tables: Sequence[Any], columns: Columns) -> Any:
    import pyarrow as pa

    return pa.concat_tables([schema_of(columns).empty_table(), *tables])


def _within(rows: Any, since: datetime, until: datetime) -> Any:
    from pyarrow import compute

    times = rows["time"]
    return rows.filter(compute.and_(compute.greater_equal(times, since), compute.less(times, until)))


def _with_feedback(rows: Any, said: Any) -> Any:
    import pyarrow as pa

    # Later ones take the place of earlier ones.
    last = {prediction: index for index, prediction in enumerate(said["id"].to_pylist())}
    found = said.take(pa.array([last.get(prediction) for prediction in rows["id"].to_pylist()], pa.int64()))
    pairs = zip(rows["names"].to_pylist(), found["labels"].to_pylist(), strict=True)
    right = [None if truth is None else set(names) == set(truth) for names, truth in pairs]
    judged = rows.append_column("truth", found["labels"]).append_column("comment", found["comment"])
    return judged.append_column("key", found["key"]).append_column("right", pa.array(right, pa.bool_()))


def _class_names(tables: Sequence[Any]) -> dict[str, list[str]]:
    return {
        table["digest"][0].as_py(): json.loads(table.schema.metadata[b"class_names"])
        for table in tables
        if table.num_rows
    }


def _tasks(tables: Sequence[Any]) -> dict[str, str]:
    return {
        table["digest"][0].as_py(): table.schema.metadata[b"task"].decode()
        for table in tables
        if table.num_rows
    }
