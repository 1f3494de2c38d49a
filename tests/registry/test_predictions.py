"""The prediction log read back: the rows of a time, with what users said; damage is passed over."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from registry.arrow_columns import table_of
from registry.pointer import ChampionPointer
from registry.prediction_files import DAY, feedback_folder, grouped, predictions_folder, trim, whole_file
from registry.prediction_rows import FEEDBACK_COLUMNS, PREDICTION_COLUMNS
from registry.predictions import find_prediction, new_prediction_id, read_predictions
from registry.workspace import Workspace
from tests.registry.log_rows import (
    CLASS_NAMES,
    NOON,
    make_answered,
    make_feedback,
    make_id,
    make_prediction,
    write,
)

ROOT = Path(__file__).parents[2]
MINUTE = 60_000


@pytest.fixture
def home(tmp_path) -> Workspace:
    return Workspace(tmp_path)


def read(home: Workspace, **between: datetime) -> list[dict]:
    return read_predictions(home, "grocery", **between).to_pylist()


def files(home: Workspace) -> list[Path]:
    return sorted(predictions_folder(home).rglob("*.parquet"))


def test_a_row_comes_back_as_it_was_written(home) -> None:
    write(home, make_prediction())

    [row] = read(home)

    assert row.pop("time") == datetime(2026, 11, 5, 12, tzinfo=UTC)
    assert np.array(row.pop("probabilities"), np.float32).tolist() == np.float32([0.1, 0.7, 0.2]).tolist()
    assert row.pop("confidence") == np.float32(0.7)
    assert row == {
        "id": make_id(NOON),
        "version": 3,
        "digest": "d" * 64,
        "arm": "champion",
        "sha256": "a" * 64,
        "names": ["Käse"],
        "energy": -3.5,
        "unusual": False,
        "abstain": True,
        "prediction_set": ["Käse", "ミルク"],
        "cached": False,
        "decode_seconds": 0.25,
        "infer_seconds": 0.5,
        "truth": None,
        "comment": None,
        "key": None,
        "right": None,
    }


def test_tables_are_those_that_pyarrow_makes_of_the_same_values() -> None:
    sets = [(), ("a",), ("ä", "", "日本"), (), ("b",), (), ("c", "d"), ("e",), ("f",), ("g",), ()]
    rows = [
        make_prediction(NOON + k, k, prediction_set=labels, cached=k % 3 == 0)
        for k, labels in enumerate(sets)
    ]

    table = table_of(rows, PREDICTION_COLUMNS)

    table.validate(full=True)
    for name, values in {
        "prediction_set": [list(labels) for labels in sets],
        "cached": [k % 3 == 0 for k in range(len(sets))],
        "probabilities": [row.probabilities for row in rows],
        "time": [NOON + k for k in range(len(sets))],
        "id": [row.id for row in rows],
    }.items():
        assert table[name].combine_chunks().equals(pa.array(values, table.schema.field(name).type)), name


def test_pandas_reads_the_folder_and_sees_no_feedback(home) -> None:
    row = make_prediction()
    write(home, row, make_feedback(NOON, ["Milch"], of=row))

    frame = pd.read_parquet(predictions_folder(home))

    found = frame[["id", "model", "date"]].astype(str).to_numpy().tolist()
    assert found == [[row.id, "grocery", "2026-11-05"]]


def test_a_file_is_of_one_kind_bundle_and_day() -> None:
    other = make_answered(pointer=ChampionPointer("grocery", 4, "e" * 64))
    first, next_day, newer = (
        make_prediction(),
        make_prediction(NOON + DAY),
        make_prediction(NOON - 1, answered=other),
    )
    later = make_prediction(NOON + 1)

    groups = grouped([later, newer, next_day, first, make_feedback(NOON, ["Milch"], of=first)])

    assert sorted([row.time - NOON for row in group] for group in groups) == [[-1], [0], [0, 1], [DAY]]


def test_each_bundles_class_names_are_told(home) -> None:
    pointer = ChampionPointer("grocery", 4, "e" * 64)
    write(
        home,
        make_prediction(),
        make_prediction(answered=make_answered(pointer=pointer, class_names=("x", "y", "z"))),
    )

    metadata = read_predictions(home, "grocery").schema.metadata

    assert json.loads(metadata[b"class_names"]) == {"d" * 64: list(CLASS_NAMES), "e" * 64: ["x", "y", "z"]}


def test_nothing_logged_is_an_empty_table(home) -> None:
    table = read_predictions(home, "grocery")

    assert table.num_rows == 0
    assert table.column_names == [*PREDICTION_COLUMNS, "truth", "comment", "key", "right"]


def test_since_is_included_and_until_is_not(home) -> None:
    times = [NOON - DAY, NOON, NOON + MINUTE, NOON + DAY]
    write(home, *(make_prediction(time, k) for k, time in enumerate(times)))
    noon = datetime(2026, 11, 5, 12, tzinfo=UTC)

    assert len(read(home, since=noon, until=noon + timedelta(minutes=1))) == 1
    assert len(read(home, since=noon)) == 3
    assert len(read(home, until=noon)) == 1


def test_rows_are_in_the_order_of_time_whichever_process_wrote_them(home) -> None:
    write(home, *(make_prediction(NOON + k) for k in (5, 1)))
    write(home, *(make_prediction(NOON + k) for k in (0, 3)))

    assert [row["id"] for row in read(home)] == [make_id(NOON + k) for k in (0, 1, 3, 5)]


def test_only_files_of_the_time_are_opened(home, caplog) -> None:
    for day in range(3):
        write(home, make_prediction(NOON + day * DAY))
    files(home)[0].write_bytes(b"damaged")
    second = datetime(2026, 11, 6, tzinfo=UTC)

    assert len(read(home, since=second, until=second + timedelta(days=1))) == 1
    assert not caplog.records
    assert len(read(home)) == 2
    assert len(caplog.records) == 1


def test_the_last_feedback_counts(home) -> None:
    row, other = make_prediction(), make_prediction(number=1)
    write(home, row, other, make_feedback(NOON + DAY, ["Käse"], of=row, comment="doch"))
    write(home, make_feedback(NOON + MINUTE, ["Milch"], of=row, comment="nein"))

    judged, unjudged = read(home)

    assert (judged["truth"], judged["comment"], judged["right"]) == (["Käse"], "doch", True)
    assert (unjudged["truth"], unjudged["comment"], unjudged["right"]) == (None, None, None)


def test_the_last_feedback_counts_whichever_file_it_is_in(home) -> None:
    row, other = make_prediction(), make_prediction(number=1)
    write(home, row, make_feedback(NOON, [], of=other), make_feedback(NOON + 10, ["Käse"], of=row))
    write(home, make_feedback(NOON + 5, ["Milch"], of=row))

    assert read(home)[0]["truth"] == ["Käse"]


def test_feedback_of_later_than_the_time_read_counts(home) -> None:
    row = make_prediction()
    write(home, row, make_feedback(NOON + 30 * DAY, ["Milch"], of=row))

    [judged] = read(home, until=datetime(2026, 11, 6, tzinfo=UTC))
    assert judged["truth"] == ["Milch"]


@pytest.mark.parametrize(
    ("names", "truth", "right"),
    [(("a", "b"), ["b", "a"], True), (("a",), ["a", "b"], False), ((), [], True), (("a",), [], False)],
)
def test_labels_are_right_where_all_of_them_and_no_other_were_named(home, names, truth, right) -> None:
    row = make_prediction(answered=make_answered(task="multi_label", names=names))
    write(home, row, make_feedback(NOON, truth, of=row))

    assert [(row["truth"], row["right"]) for row in read(home)] == [(truth, right)]


def test_another_models_rows_are_not_read(home) -> None:
    models = ("grocery", "groc", "../grocery", "a/b", "..", "ä=ö %2F")
    for version, model in enumerate(models):
        pointer = ChampionPointer(model, version, "d" * 64)
        write(home, make_prediction(answered=make_answered(pointer=pointer)))

    read_back = [read_predictions(home, model)["version"].to_pylist() for model in models]
    assert read_back == [[version] for version in range(len(models))]
    assert {path.parents[2] for path in files(home)} == {predictions_folder(home)}


def newer_schema(path: Path) -> None:
    table = parquet.read_table(path)
    parquet.write_table(table.replace_schema_metadata({"schema_version": "2"}), path)


def flipped_bit(path: Path) -> None:
    """In the id, which a short page holds as it is, behind a head that tells the smallest and greatest id."""
    content = bytearray(path.read_bytes())
    end = parquet.read_metadata(path).row_group(0).column(1).data_page_offset
    content[content.rindex(make_id(NOON).encode()[:14], 0, end) + 13] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-100]),
        lambda path: path.write_bytes(os.urandom(500)),
        lambda path: parquet.write_table(pa.table({"x": [1]}), path),
        lambda path: path.unlink() or path.mkdir(),
        newer_schema,
        flipped_bit,
    ],
)
def test_a_damaged_file_is_passed_over_with_a_warning(home, caplog, damage) -> None:
    write(home, make_prediction())
    damage(files(home)[0])
    write(home, make_prediction(NOON + 1))

    assert [row["id"] for row in read(home)] == [make_id(NOON + 1)]
    [record] = caplog.records
    assert (record.levelno, files(home)[0].name in record.getMessage()) == (logging.WARNING, True)


@pytest.mark.parametrize(
    "name", ["notes.parquet", "1-2.parquet", "a-b-c-d.parquet", ".1-9999999999999-1-1.parquet"]
)
def test_what_is_no_file_of_ours_is_not_read(home, name) -> None:
    write(home, make_prediction())
    files(home)[0].with_name(name).write_bytes(b"something")
    (files(home)[0].parents[1] / "date=yesterday").mkdir()

    assert len(read(home)) == 1


def test_an_answer_is_found_by_its_id(home) -> None:
    write(home, *(make_prediction(NOON + k * MINUTE, k) for k in range(5)))

    assert find_prediction(home, make_id(NOON + 3 * MINUTE, 3)) == make_answered()
    assert find_prediction(home, make_id(NOON + 3 * MINUTE, 4)) is None
    assert find_prediction(home, make_id(NOON - DAY)) is None


def test_an_answer_is_found_on_the_other_side_of_midnight(home) -> None:
    midnight = NOON + DAY // 2
    write(home, make_prediction(midnight, id=make_id(midnight - 1)))

    assert find_prediction(home, make_id(midnight - 1)) is not None


def test_a_shadows_answer_is_not_found_because_nobody_was_told(home) -> None:
    pointer = ChampionPointer("grocery", 4, "e" * 64)
    write(home, make_prediction(answered=make_answered(arm="shadow", pointer=pointer)))
    assert find_prediction(home, make_id(NOON)) is None

    write(home, make_prediction())
    assert find_prediction(home, make_id(NOON)) == make_answered()


@pytest.mark.parametrize("prediction_id", ["0" * 32, "f" * 32, uuid.UUID(int=2**127).hex])
def test_ids_of_impossible_times_are_not_found(home, prediction_id) -> None:
    write(home, make_prediction())

    assert find_prediction(home, prediction_id) is None


def test_finding_opens_the_files_of_that_moment_alone(home, caplog) -> None:
    write(home, make_prediction())
    write(home, make_prediction(NOON + MINUTE))
    files(home)[1].write_bytes(b"damaged")

    assert find_prediction(home, make_id(NOON)) is not None
    assert not caplog.records


def test_ids_are_uuids_of_version_7() -> None:
    before = time.time_ns() // 1_000_000
    made = [new_prediction_id() for _ in range(1000)]
    after = time.time_ns() // 1_000_000

    assert len(set(made)) == 1000
    assert {(uuid.UUID(one).version, uuid.UUID(one).variant) for one in made} == {(7, uuid.RFC_4122)}
    assert all(len(one) == 32 and before <= int(one[:12], 16) <= after for one in made)
    # Every one of the 74 random bits is 0 in some and 1 in others.
    free = (1 << 80) - 1 ^ (0xF << 76) ^ (0x3 << 62)
    both = np.bitwise_or.reduce([int(one, 16) for one in made]) & ~np.bitwise_and.reduce(
        [int(one, 16) for one in made]
    )
    assert both & ((1 << 80) - 1) == free


def test_logging_imports_no_pandas(home) -> None:
    """It is 40 MB of the service where it is installed."""
    program = (
        "import sys; from pathlib import Path; from registry.predictions import find_prediction;"
        "from registry.workspace import Workspace; from tests.registry.log_rows import *;"
        "home = Workspace(Path(sys.argv[1])); write(home, make_prediction());"
        "assert find_prediction(home, make_id(NOON)); sys.exit('pandas' in sys.modules)"
    )

    done = subprocess.run(
        [sys.executable, "-c", program, home.root], cwd=ROOT, capture_output=True, text=True
    )

    assert done.returncode == 0, done.stderr


def test_a_file_takes_its_name_when_it_is_whole(tmp_path) -> None:
    path = tmp_path / "folder" / "file"
    with whole_file(path) as temporary:
        temporary.write_text("half")
        assert not path.exists()

    with pytest.raises(OSError, match="full"), whole_file(path) as temporary:
        temporary.write_text("broken")
        raise OSError("full")

    assert [(file.name, file.read_text()) for file in path.parent.iterdir()] == [("file", "half")]


def old_files(folder: Path, sizes: list[int]) -> None:
    """Files named 0, 1, ... written at the seconds 100, 101, ..."""
    folder.mkdir()
    for number, size in enumerate(sizes):
        file = folder / str(number)
        file.write_bytes(bytes(size))
        os.utime(file, (100 + number, 100 + number))


@pytest.mark.parametrize(
    ("max_bytes", "since", "left"),
    [(60, 0, "0123"), (59, 0, "123"), (30, 0, "3"), (0, 0, ""), (60, 102, "23"), (60, 102.5, "3")],
)
def test_trimming_deletes_the_oldest(tmp_path, max_bytes, since, left) -> None:
    old_files(tmp_path / "folder", [10, 10, 10, 30])

    trim(tmp_path, max_bytes=max_bytes, since=since)

    assert "".join(sorted(path.name for path in (tmp_path / "folder").iterdir())) == left


def test_trimming_follows_no_link(tmp_path) -> None:
    kept = tmp_path / "kept"
    kept.write_text("a file elsewhere")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "link").symlink_to(kept)

    trim(tmp_path / "folder", max_bytes=0)

    assert kept.exists()


def test_trimming_a_folder_that_is_not_there_does_nothing(tmp_path) -> None:
    trim(tmp_path / "nowhere", max_bytes=0)


def test_columns_are_attributes_of_the_rows() -> None:
    row = make_prediction()

    for columns, of in ((PREDICTION_COLUMNS, row), (FEEDBACK_COLUMNS, make_feedback(NOON, ["a"], of=row))):
        assert table_of([of, replace(of, id="b" * 32)], columns).num_rows == 2


def test_feedback_lies_where_readers_of_parquet_folders_do_not_look(home) -> None:
    assert feedback_folder(home).relative_to(predictions_folder(home)).parts[0].startswith("_")
