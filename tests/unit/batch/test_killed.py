"""kill -9 of a real `sightline predict`, then the same again: no row lost, none doubled; and its memory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import psutil
import pytest

from registry.workspace import Workspace
from tests.serving.conftest import ROOT, Registry
from tests.unit.batch.conftest import write_images

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

COMMAND = "from cli.main import run; "


def start(folder: Path, images: str, *, part_images: int) -> subprocess.Popen[bytes]:
    """The command, in a process of its own."""
    batch = f"{{output: {folder}/answers, part_images: {part_images}, processes: 2}}"
    (folder / "run.yaml").write_text(f"parameters: {{config: {{name: digits, batch: {batch}}}}}\n")
    arguments = ["predict", images, "--config", f"{folder}/run.yaml"]
    environment = os.environ | {"SIGHTLINE_HOME": str(folder / "home")}
    return subprocess.Popen(
        [sys.executable, "-c", f"{COMMAND}raise SystemExit(run({arguments}))"], cwd=ROOT, env=environment
    )


def parts(folder: Path) -> int:
    return len(list((folder / "answers").glob("part-*")))


def wait(process: subprocess.Popen[bytes], folder: Path, count: int) -> list[psutil.Process]:
    """The processes of the command, when that many parts are written."""
    until = time.monotonic() + 300
    while parts(folder) < count:
        assert process.poll() is None, "it ended before"
        assert time.monotonic() < until
        time.sleep(0.02)
    return [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]


def workers_megabytes(family: list[psutil.Process]) -> float:
    return max(process.memory_info().rss for process in family) / 2**20


def test_a_killed_command_goes_on_where_it_was(tmp_path: Path) -> None:
    Registry(Workspace(tmp_path / "home")).promote(1)
    paths = write_images(tmp_path / "photos", 1000)
    process = start(tmp_path, f"{tmp_path}/photos", part_images=20)
    family = wait(process, tmp_path, 5)
    process.send_signal(signal.SIGKILL)
    process.wait()
    psutil.wait_procs(family[1:], timeout=60)
    assert 5 <= (done := parts(tmp_path)) < 50
    assert not any(child.is_running() for child in family[1:]), "its workers go on without it"
    assert start(tmp_path, f"{tmp_path}/photos", part_images=20).wait() == 0
    rows = pd.read_parquet(tmp_path / "answers")
    assert sorted(rows["path"]) == sorted(map(str, paths))
    assert parts(tmp_path) == 50 > done


def test_memory_stays_flat_over_twenty_thousand_images(tmp_path: Path) -> None:
    Registry(Workspace(tmp_path / "home")).promote(1)
    (tmp_path / "photos").mkdir()
    (image,) = write_images(tmp_path / "one", 1)
    for number in range(20_000):
        os.link(image, tmp_path / "photos" / f"{number}.png")
    process = start(tmp_path, f"{tmp_path}/photos", part_images=100)
    early = workers_megabytes(wait(process, tmp_path, 40))
    late = workers_megabytes(wait(process, tmp_path, 190))
    assert process.wait() == 0
    assert late < early + 15
