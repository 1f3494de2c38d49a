"""What goes wrong around a running service: it goes on with what it has, and its log says what is wrong."""

from __future__ import annotations

import io
import itertools
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from registry.pointer import bundle_path, pointer_path
from registry.prediction_files import predictions_folder
from registry.predictions import find_prediction, read_predictions
from registry.workspace import Workspace
from serving.observers import prediction_log
from serving.observers.prediction_log import ROWS, PredictionLog
from tests.registry.log_rows import NOON
from tests.serving.made_answers import make_answer
from vision.classifier import ImageClassifier

HOUR = 3_600_000
BATCH = 256
seeds = itertools.count()


@pytest.fixture(scope="module")
def service(digits, start_service):
    """Of version 1 of digits; each test takes its fault away again."""
    service = start_service(SIGHTLINE_HOME=digits.workspace.root, SIGHTLINE_POLL_SECONDS=0.1)
    service.wait_ready(120)
    return service


def fresh_image() -> bytes:
    """One that no answer is remembered of."""
    pixels = np.random.default_rng(next(seeds)).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def assert_serves(service, champion: ImageClassifier) -> None:
    image = fresh_image()
    answer = service.classify(image).json()
    assert (answer["version"], answer["cached"]) == (1, False)
    assert np.float32(answer["confidence"]) == champion.classify(image).max()
    assert service.client.post("/v1/explain", files={"image": image}).status_code == 200
    assert service.client.get("/readyz").status_code == 200


@contextmanager
def moved_away(path: Path) -> Iterator[None]:
    aside = path.rename(path.with_name(f".{path.name}"))
    yield
    aside.rename(path)


@contextmanager
def overwritten(path: Path, content: bytes) -> Iterator[None]:
    before = path.read_bytes() if path.exists() else None
    path.write_bytes(content)
    yield
    assert path.read_bytes() == content, "the service writes nothing there"
    path.unlink() if before is None else path.write_bytes(before)


Fault = Callable[[Workspace], AbstractContextManager[None]]
# The fault, and what the log then says; nothing where it is none of the service's business.
FAULTS: dict[str, tuple[Fault, str]] = {
    "bundle gone": (
        lambda home: moved_away(bundle_path(home, "digits", 1)),
        "digits version 1 goes on as it was loaded, but its bundle is gone",
    ),
    "pointer gone": (lambda home: moved_away(pointer_path(home, "digits")), '"digits" has no champion yet'),
    "pointer cut short": (
        lambda home: overwritten(pointer_path(home, "digits"), b'{"model": "dig'),
        "champion.json is damaged",
    ),
    "pointer of nobody": (
        lambda home: overwritten(
            pointer_path(home, "digits"), b'{"model": "digits", "version": 9, "digest": "00"}'
        ),
        "digits version 9 cannot be served: no bundle at",
    ),
    "registry gone": (lambda home: moved_away(home.registry), '"digits" has no champion yet'),
    "database damaged": (lambda home: overwritten(home.root / "mlflow.db", b"no" * 5000), ""),
}


@pytest.mark.parametrize("name", FAULTS)
def test_it_goes_on_with_what_it_has_and_says_so(service, digits, champion, name) -> None:
    fault, words = FAULTS[name]

    with fault(digits.workspace):
        service.wait(lambda: words in service.log.read_text())
        time.sleep(0.3)  # three looks at the registry
        assert_serves(service, champion)

    assert_serves(service, champion)


def processes(service) -> list[psutil.Process]:
    parent = psutil.Process(service.process.pid)
    return [parent, *parent.children(recursive=True)]


def test_the_database_is_none_of_its_files(service, digits) -> None:
    with overwritten(digits.workspace.root / "mlflow.db", b"no" * 5000):
        time.sleep(0.3)
        paths = [Path(file.path) for process in processes(service) for file in process.open_files()]

    assert paths
    assert "mlflow.db" not in {path.name for path in paths}


@contextmanager
def files_of_at_most(size_bytes: int, service) -> Iterator[None]:
    """A disk that takes no more, as its processes see it; setrlimit(2), RLIMIT_FSIZE."""
    limited = {process: process.rlimit(psutil.RLIMIT_FSIZE) for process in processes(service)}
    for process, (_, hard) in limited.items():
        process.rlimit(psutil.RLIMIT_FSIZE, (size_bytes, hard))
    yield
    for process, limits in limited.items():
        process.rlimit(psutil.RLIMIT_FSIZE, limits)


@pytest.mark.skipif(not hasattr(psutil, "RLIMIT_FSIZE"), reason="a running process is limited on Linux only")
def test_a_full_disk_loses_rows_of_the_log_and_no_answer(service, digits, champion) -> None:
    shutil.rmtree(predictions_folder(digits.workspace), ignore_errors=True)
    batch = [("image", ("a.png", fresh_image()))] * BATCH

    with files_of_at_most(service.log.stat().st_size + 16_000, service):
        for _ in range(ROWS // BATCH):
            assert service.client.post("/v1/classify/batch", files=batch).status_code == 200
        service.wait(lambda: "predictions are not logged, they are lost" in service.log.read_text())
        assert_serves(service, champion)

    metrics = service.client.get("/metrics").text
    [lost] = [line for line in metrics.splitlines() if 'event="log_dropped"' in line]
    assert float(lost.split()[-1]) >= ROWS
    assert not [path for path in predictions_folder(digits.workspace).rglob("*") if path.is_file()]


@pytest.fixture
def set_clock(monkeypatch) -> Callable[[int], None]:
    """Sets the wall clock, in milliseconds since 1970; it stands still then."""
    return lambda milliseconds: monkeypatch.setattr(time, "time_ns", lambda: milliseconds * 1_000_000)


def test_a_clock_set_back_makes_no_id_twice_and_loses_no_row(tmp_path, set_clock) -> None:
    log, answers = PredictionLog(Workspace(tmp_path), megabytes=1, count=print), []
    for moment in (NOON, NOON - HOUR, NOON, NOON - 24 * HOUR):
        set_clock(moment)
        answers.append(make_answer())
        log.classified(answers[-1], b"")
    log.start()
    log.close()

    assert len({answer.id for answer in answers}) == 4
    assert all(find_prediction(Workspace(tmp_path), answer.id) for answer in answers)
    times = [row["time"].hour for row in read_predictions(Workspace(tmp_path), "grocery").to_pylist()]
    assert times == [12, 11, 12, 12]
    assert sorted(path.parent.name for path in tmp_path.rglob("*.parquet")) == [
        "date=2026-11-04",
        "date=2026-11-05",
    ]


def test_a_clock_set_back_holds_up_no_file(tmp_path, set_clock, monkeypatch) -> None:
    monkeypatch.setattr(prediction_log, "TICK_SECONDS", 0.01)
    log = PredictionLog(Workspace(tmp_path), megabytes=1, count=print, seconds=0.05)
    set_clock(NOON)
    log.start()
    set_clock(NOON - 24 * HOUR)
    log.classified(make_answer(), b"")

    until = time.monotonic() + 20
    while not list(tmp_path.rglob("[!.]*.parquet")) and time.monotonic() < until:
        time.sleep(0.01)
    assert list(tmp_path.rglob("[!.]*.parquet"))
    log.close()
