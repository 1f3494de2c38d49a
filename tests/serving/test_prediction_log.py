"""The log's way to the disk: nobody waits for it, and what is on the disk is whole, whatever happens."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from registry.prediction_files import predictions_folder
from registry.predictions import read_predictions
from registry.workspace import Workspace
from serving.observers import prediction_log
from serving.observers.metrics import Metrics
from serving.observers.prediction_log import PredictionLog
from serving.settings import Settings
from tests.serving.made_answers import make_answer, make_served

ROOT = Path(__file__).parents[2]


class Counted(Counter[str]):
    def count(self, event: str, amount: float = 1) -> None:
        self[event] += int(amount)


@pytest.fixture
def home(tmp_path) -> Workspace:
    return Workspace(tmp_path / "workspace")


@pytest.fixture
def counted() -> Counted:
    return Counted()


@pytest.fixture
def make_log(home, counted, monkeypatch):
    """Makes logs that look at their queue a hundred times a second."""
    monkeypatch.setattr(prediction_log, "TICK_SECONDS", 0.01)

    def make(megabytes: float = 1, **options: float) -> PredictionLog:
        return PredictionLog(home, megabytes=megabytes, count=counted.count, **options)

    return make


def log_all(log: PredictionLog, answers) -> None:
    log.start()
    for answer in answers:
        log.classified(answer, b"image")
    log.close()


def read(home: Workspace) -> list[dict]:
    return read_predictions(home, "grocery").to_pylist()


def files(home: Workspace) -> list[Path]:
    return [path for path in predictions_folder(home).rglob("*") if path.is_file()]


def wait_until(condition, seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"not within {seconds} s"
        time.sleep(0.01)


def test_an_answer_is_a_row(make_log, home, counted) -> None:
    answer = make_answer()
    before = time.time()
    log_all(make_log(), [answer])

    [row] = read(home)
    assert before - 0.001 <= row.pop("time").timestamp() <= time.time()
    assert np.float32(row.pop("probabilities")).tolist() == np.float32([0.1, 0.7, 0.2]).tolist()
    expected = {
        "id": answer.id,
        "version": 3,
        "digest": "d" * 64,
        "arm": "champion",
        "sha256": "a" * 64,
        "names": ["Käse"],
        "prediction_set": ["Käse", "ミルク"],
        "energy": -3.5,
        "unusual": False,
        "abstain": True,
        "cached": False,
        "decode_seconds": 0.25,
        "infer_seconds": 0.5,
    }
    assert {name: row[name] for name in expected} == expected
    assert not counted


def test_each_version_has_its_files(make_log, home) -> None:
    arms = [make_served(), make_served(version=4, digest="e" * 64, arm="shadow"), make_served(model="other")]
    log_all(make_log(), [make_answer(served) for served in arms for _ in range(2)])

    assert (
        sorted((row["version"], row["arm"]) for row in read(home))
        == [(3, "champion")] * 2 + [(4, "shadow")] * 2
    )
    assert read_predictions(home, "other").num_rows == 2
    assert len(files(home)) == 3


def test_a_file_is_written_as_soon_as_it_has_its_rows(make_log, home) -> None:
    log = make_log(rows=3, seconds=1000)
    log.start()
    for _ in range(3):
        log.classified(make_answer(), b"")
    wait_until(lambda: len(read(home)) == 3)

    log.classified(make_answer(), b"")
    time.sleep(0.1)
    assert len(read(home)) == 3
    log.close()
    assert len(read(home)) == 4


def test_a_file_is_written_when_its_time_has_come(make_log, home) -> None:
    log = make_log(seconds=0.05)
    log.start()
    log.classified(make_answer(), b"")
    wait_until(lambda: len(read(home)) == 1)
    log.close()


def test_nothing_to_log_makes_no_file(make_log, home) -> None:
    log = make_log(seconds=0.01)
    log.start()
    time.sleep(0.1)
    log.close()

    assert not files(home)


def test_a_full_queue_loses_rows_and_counts_them(make_log, home, counted, monkeypatch) -> None:
    monkeypatch.setattr(prediction_log, "QUEUE_ROWS", 3)
    log = make_log()
    for _ in range(5):
        log.classified(make_answer(), b"")
    log.start()
    log.close()

    assert counted == {"log_dropped": 2}
    assert len(read(home)) == 3


def test_answers_of_many_threads_are_all_logged(make_log, home, counted) -> None:
    log = make_log(rows=20)
    log.start()
    answers = [[make_answer() for _ in range(50)] for _ in range(4)]
    threads = [
        threading.Thread(target=lambda mine=mine: [log.classified(answer, b"") for answer in mine])
        for mine in answers
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()

    assert {row["id"] for row in read(home)} == {answer.id for mine in answers for answer in mine}
    assert not counted


def test_the_folder_stays_within_its_megabytes(make_log, home) -> None:
    log_all(make_log(), [make_answer()])
    size = files(home)[0].stat().st_size
    log = make_log(megabytes=3.5 * size / 1e6, rows=1)
    log.start()
    for _ in range(5):
        answer = make_answer()
        log.classified(answer, b"")
        wait_until(lambda: any(row["id"] == answer.id for row in read(home)))  # noqa: B023
    log.close()

    assert len(files(home)) == 3
    assert read(home)[-1]["id"] == answer.id


def fail(*arguments: object, **options: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_is_logged_once_and_the_log_goes_on_after_it(
    make_log, home, counted, monkeypatch, caplog
) -> None:
    log = make_log(rows=1)
    log.start()
    with monkeypatch.context() as broken:
        broken.setattr("pyarrow.parquet.ParquetWriter.write_table", fail)
        for lost in (1, 2):
            log.classified(make_answer(), b"")
            wait_until(lambda: counted["log_dropped"] == lost)  # noqa: B023
    log.classified(make_answer(), b"")
    log.close()

    [record] = caplog.records
    assert "No space left" in record.getMessage()
    assert (len(read(home)), counted) == (1, {"log_dropped": 2})


def test_a_folder_that_cannot_be_made_loses_rows_only(make_log, home, counted, caplog) -> None:
    home.root.mkdir()
    predictions_folder(home).write_text("a file where the folder should be")

    log_all(make_log(), [make_answer(), make_answer()])

    assert counted == {"log_dropped": 2}
    assert len(caplog.records) == 1


def test_a_class_name_that_is_no_text_loses_its_file_only(make_log, home, counted, caplog) -> None:
    odd = make_answer(make_served(version=4, digest="e" * 64), names=["\udcff"])

    log_all(make_log(), [make_answer(), odd])

    assert [row["version"] for row in read(home)] == [3]
    assert counted == {"log_dropped": 1}


def test_settings_decide_whether_there_is_a_log(home) -> None:
    assert PredictionLog.from_settings(Settings(log_predictions=False), home, Metrics()) is None
    assert PredictionLog.from_settings(Settings(), home, Metrics()) is not None


WRITER = """
import sys, time
from pathlib import Path
from registry import prediction_files
from registry.workspace import Workspace
from serving.observers import prediction_log
from tests.serving.made_answers import make_answer, make_served
prediction_log.TICK_SECONDS = 0.001
home = Workspace(Path(sys.argv[1]))
log = prediction_log.PredictionLog(home, megabytes=10, count=print, rows=10)
log.start()
"""
FIXED_NUMBER = "for _ in range(50): log.classified(make_answer(), b'')\nlog.close()"
WITHOUT_END = "while True: log.classified(make_answer(), b''); time.sleep(0.0005)"
KILLED_IN_THE_MIDDLE = """
import os
from pyarrow import parquet
def half(path, schema, **options):
    path.write_bytes(b"PAR1 half a file")
    os.kill(os.getpid(), 9)
parquet.ParquetWriter = half
log.classified(make_answer(), b"")
log.close()
"""


def start_writer(home: Workspace, work: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", WRITER + work, home.root], cwd=ROOT)


def test_two_processes_write_side_by_side(home) -> None:
    writers = [start_writer(home, FIXED_NUMBER) for _ in range(2)]

    assert [writer.wait(60) for writer in writers] == [0, 0]
    assert len({row["id"] for row in read(home)}) == 100


def test_a_killed_process_leaves_whole_files_only(home, caplog) -> None:
    writer = start_writer(home, WITHOUT_END)
    wait_until(lambda: len(list(predictions_folder(home).rglob("[!.]*.parquet"))) >= 5, 60)
    writer.send_signal(signal.SIGKILL)
    writer.wait()

    assert len(read(home)) >= 50
    assert not caplog.records


def test_half_a_file_never_bears_its_name_and_is_removed_in_time(home, make_log, caplog) -> None:
    assert start_writer(home, KILLED_IN_THE_MIDDLE).wait(60) == -signal.SIGKILL

    assert [path.read_bytes() for path in files(home)] == [b"PAR1 half a file"]
    assert (read(home), caplog.records) == ([], [])
    for path in files(home):
        os.utime(path, (0, 0))
    log_all(make_log(megabytes=0.000_001), [make_answer()])
    assert not files(home)
