"""How soon after `sightline rollback` the old version answers, and how long a check of the ledger takes.

The service is under load all the while, and no request may fail.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from statistics import median

from benchmarks.load import OK, Record, record_closed_loop
from benchmarks.photographs import photograph
from benchmarks.processes import Running, free_port, running
from benchmarks.question import Question
from benchmarks.record import table, write_section
from benchmarks.runs import BIN
from benchmarks.served_models import store_model
from registry import ledger
from registry.champion import promote
from registry.following import utc_now
from registry.ledger import LEDGER, Move, next_entry
from registry.ledger_check import check_ledger
from registry.ledger_head import Head, advance_head
from registry.model_version import Lineage
from registry.pointer import bundle_path
from registry.versions import register_version
from registry.workspace import Workspace
from vision.classifier import ImageClassifier

MODEL = "mobilenet_v2"
IMAGE = (500, 375, 60_000)  # width, height, most bytes
ROLLBACKS, CLIENTS = 5, 4
PATIENCE_SECONDS, LOOK_SECONDS, BLOCK_SECONDS = 120, 0.02, 1.0
ROWS = 100_000


@dataclass(frozen=True)
class Followed:
    """Seconds to the first answer of the old version: from the command's start, from the ledger's row."""

    from_command: float
    from_row: float


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder) / "workspace")
        _two_versions(workspace)
        config = Path(folder) / "run.yaml"
        config.write_text(f"parameters: {{config: {{name: {MODEL}}}}}\n")
        with _service(workspace) as service, _load(service.question) as record:
            measured = [_measure(workspace, service, config) for _ in range(ROLLBACKS)]
        write_section(
            "rollback", f"{_as_table(measured, record)}\n\n{_check(Workspace(Path(folder) / 'long'))}"
        )


def _two_versions(workspace: Workspace) -> None:
    """Versions 1 and 2 of one network, with another temperature, so that their answers differ."""
    made = Workspace(workspace.root.with_name("made"))
    store_model(made, MODEL)
    first = ImageClassifier.load(bundle_path(made, MODEL, 1))
    for classifier in (first, replace(first, temperature=2.0)):
        lineage = Lineage(
            "data", "config", "commit", classifier_digest=f"temperature {classifier.temperature}"
        )
        version = register_version(workspace, MODEL, classifier, samples={}, lineage=lineage, metrics={})
        promote(workspace, MODEL, version.version, who="benchmark", why="made")


@contextmanager
def _service(workspace: Workspace) -> Iterator[Running]:
    port = free_port()
    width, height, max_bytes = IMAGE
    question = Question(port, "/v1/classify", "image/jpeg", photograph(width, height, max_bytes=max_bytes))
    settings = {"SIGHTLINE_HOME": workspace.root, "BENTOML_HOME": workspace.bentoml, "SIGHTLINE_MODEL": MODEL}
    command = [sys.executable, "-m", "serving", "--port", str(port)]
    # Without a cache: every answer is the model's.
    settings |= {"SIGHTLINE_CACHE_MEGABYTES": 0}
    with running(command, question, settings, workspace.root / "service.log") as service:
        yield service


@contextmanager
def _load(question: Question) -> Iterator[Record]:
    """Clients that ask without a pause; what became of their requests is in the record at the end."""
    record, is_over = Record(), threading.Event()

    def ask() -> None:
        while not is_over.is_set():
            for outcome, seconds in record_closed_loop(
                question, clients=CLIENTS, seconds=BLOCK_SECONDS
            ).seconds.items():
                for each in seconds:
                    record.add(outcome, each)

    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(ask)
        try:
            yield record
        finally:
            is_over.set()
            asking.result()


def _measure(workspace: Workspace, service: Running, config: Path) -> Followed:
    """Version 2 serves; it is rolled back by the command; and then promoted again for the next time."""
    _wait(lambda: _version(service.question) == 2)
    command = [str(BIN / "sightline"), "rollback", "--json", "--config", str(config)]
    environment = os.environ | {"SIGHTLINE_HOME": str(workspace.root)}
    started = time.time()
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
        answered = _wait(lambda: _version(service.question) == 1)
        output, _ = process.communicate()
    assert process.returncode == 0, output
    row = datetime.fromisoformat(json.loads(output)["when"]).timestamp()
    promote(workspace, MODEL, 2, who="benchmark", why="for the next time")
    return Followed(answered - started, answered - row)


def _version(question: Question) -> int:
    """Which version answers now."""
    connection = http.client.HTTPConnection("127.0.0.1", question.port, timeout=PATIENCE_SECONDS)
    try:
        connection.request("POST", question.path, question.body, {"Content-Type": question.content_type})
        return int(json.loads(connection.getresponse().read())["version"])
    finally:
        connection.close()


def _wait(condition: Callable[[], bool]) -> float:
    """The time at which it held."""
    until = time.time() + PATIENCE_SECONDS
    while time.time() < until:
        if condition():
            return time.time()
        time.sleep(LOOK_SECONDS)
    raise SystemExit(f"the service did not follow within {PATIENCE_SECONDS} s")


def _as_table(measured: list[Followed], record: Record) -> str:
    rows = []
    for name, seconds in (
        ("from the start of `sightline rollback`", [each.from_command for each in measured]),
        ("from the ledger's row", [each.from_row for each in measured]),
    ):
        rows.append((name, f"{median(seconds):.2f}", f"{min(seconds):.2f}", f"{max(seconds):.2f}"))
    failed = record.counts.total() - record.counts[OK]
    return (
        f"{MODEL}, {len(measured)} rollbacks, {CLIENTS} clients that ask without a pause:"
        f" {record.counts[OK]:,} requests answered, **{failed}** failed.\n\n"
        + table(("to the first answer of the old version, s", "median", "least", "most"), rows)
    )


def _check(workspace: Workspace) -> str:
    """Of a whole ledger of ROWS rows of four models."""
    _write_rows(workspace)
    begun = time.perf_counter()
    damage = check_ledger(workspace)
    seconds = time.perf_counter() - begun
    assert damage == (), damage
    return f"Check of a ledger of {ROWS:,} rows: {seconds:.2f} s."


def _write_rows(workspace: Workspace) -> None:
    """By the code that chains rows, but not by 100,000 transactions."""
    last = None
    rows = []
    for number in range(ROWS):
        last = next_entry(_move(number), last)
        rows.append(vars(last))
    with ledger.connect(workspace) as connection:
        LEDGER.create(connection)
        connection.execute(LEDGER.insert(), rows)
    assert last is not None
    advance_head(workspace, Head(last.sequence, last.hash))


def _move(number: int) -> Move:
    return Move(
        model=f"model-{number % 4}",
        version=number // 4 + 1,
        previous_version=number // 4 or None,
        digest="d" * 64,
        action="promote",
        who="training pipeline",
        why="test accuracy 0.9712, +0.21 points against the champion",
        when=utc_now(),
        data_revision="d" * 64,
        config_digest="c" * 64,
        git_commit="a" * 40,
        gate='{"action": "promote", "reasons": ["test accuracy 0.9712, +0.21 points against the champion"]}',
    )


if __name__ == "__main__":
    main()
