"""The pages for each role: their commands, as written and in their order, on a fresh clone."""

from __future__ import annotations

import os
import re
import socket
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "docs/roles").glob("*.md"))
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)
OURS = ("SIGHTLINE_", "ZENML_", "BENTOML_", "MLFLOW_", "VIRTUAL_ENV", "PYTHONPATH")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture
def clone(tmp_path) -> Path:
    folder = tmp_path / "sightline"
    subprocess.run(["git", "clone", "--quiet", ROOT, folder], check=True)
    return folder


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_first_ten_minutes_go_as_they_are_written(page, clone) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    environment = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    blocks = BLOCK.findall((clone / page.relative_to(ROOT)).read_text())

    ran = subprocess.run(
        ["bash", "-o", "errexit", "-o", "pipefail"],
        input="".join(blocks).replace(":3000", f":{port}"),
        cwd=clone,
        env=environment | {"PORT": port, "ZENML_CONFIG_PATH": str(clone / "zenml")},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
