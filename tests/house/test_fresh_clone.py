"""The README's first ten minutes, as written, on a fresh clone in an empty folder."""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from tests.pipelines.conftest import UNCACHED

ROOT = Path(__file__).resolve().parents[2]
OURS = ("SIGHTLINE_", "ZENML_", "BENTOML_", "MLFLOW_", "VIRTUAL_ENV", "PYTHONPATH")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def environment():
    return {name: value for name, value in os.environ.items() if not name.startswith(OURS)}


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """What is committed, and nothing else."""
    folder = tmp_path_factory.mktemp("empty") / "sightline"
    subprocess.run(["git", "clone", "--quiet", ROOT, folder], check=True)
    return folder


@pytest.fixture(scope="module")
def trained(clone, environment):
    run = subprocess.run(["make", "train"], cwd=clone, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-4000:]
    return run.stdout


def test_make_train_ends_with_the_champion(trained, clone):
    summary = trained[trained.index("champion  ") :]
    assert re.search(r"champion +digits version 1", summary)
    assert re.search(r"test accuracy +0\.9\d+ +95 % 0\.\d+-\d\.\d+", summary)
    assert "sightline-digits:1" in summary
    assert re.search(r"next +make serve", summary)
    report = re.search(r"report +(\S+)", summary)
    assert report and Path(report[1]).is_relative_to(clone)
    assert "<html" in Path(report[1]).read_text()


def test_the_curl_line_of_the_readme_answers(trained, clone, environment):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    line = re.search(r"^curl .*$", (clone / "README.md").read_text(), flags=re.MULTILINE)
    command = shlex.split(line[0].replace(":3000", f":{port}"))
    server = subprocess.Popen(
        ["make", "serve", f"PORT={port}"], cwd=clone, env=environment, start_new_session=True
    )
    try:
        _wait_until_ready(port)
        answer = subprocess.run([*command, "-s"], cwd=clone, capture_output=True, text=True, check=True)
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=30)
    assert '"class":"3"' in answer.stdout


def test_a_second_make_train_takes_the_cache(trained, clone, environment):
    run = subprocess.run(["make", "train"], cwd=clone, env=environment, capture_output=True, text=True)
    output = re.sub(r"\x1b\[[0-9;]*m", "", run.stdout + run.stderr)
    assert run.returncode == 0
    assert set(re.findall(r"Step (\w+) has started", output)) == UNCACHED
    assert "train" in re.findall(r"Using cached version of step (\w+)", output)
    assert re.search(r"champion +digits version 1", output)


def _wait_until_ready(port):
    for _ in range(120):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1):
                return
        except OSError:
            time.sleep(0.5)
    raise AssertionError("the service did not become ready within a minute")
