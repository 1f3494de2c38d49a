"""Every Python of the environment starts with telemetry off and one workspace; what is set is kept."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.environment import TELEMETRY_OFF

ROOT = Path(__file__).resolve().parents[2]
BARE = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}


def ask(program, **environment):
    """What a new Python of the environment prints, started where nothing is set."""
    command = [sys.executable, "-c", program]
    return subprocess.run(
        command, env=BARE | environment, cwd="/", capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.mark.parametrize("name", sorted(TELEMETRY_OFF))
def test_telemetry_is_off(name):
    assert ask(f"import os; print(os.environ['{name}'])") == TELEMETRY_OFF[name]


LIBRARIES = {
    "mlflow": ("from mlflow.telemetry.utils import is_telemetry_disabled as ask", "True"),
    "bentoml": ("from bentoml._internal.utils.analytics.usage_stats import do_not_track as ask", "True"),
    "zenml": (
        "from zenml.client import GlobalConfiguration as C; ask = lambda: C().analytics_opt_in",
        "False",
    ),
}


@pytest.mark.parametrize(("imported", "expected"), LIBRARIES.values(), ids=LIBRARIES)
def test_libraries_agree_that_it_is_off(imported, expected, tmp_path):
    assert ask(f"{imported}; print(ask())", SIGHTLINE_HOME=str(tmp_path)).endswith(expected)


def test_the_package_that_reports_for_openvino_is_left_out():
    assert importlib.util.find_spec("openvino_telemetry") is None


def test_all_tools_keep_their_files_in_the_workspace():
    program = "import os; print(os.environ['ZENML_CONFIG_PATH'], os.environ['BENTOML_HOME'])"
    assert ask(program) == f"{ROOT}/workspace/zenml {ROOT}/workspace/bentoml"
    assert ask(program, SIGHTLINE_HOME="/elsewhere") == "/elsewhere/zenml /elsewhere/bentoml"


def test_what_the_user_has_set_is_kept():
    assert ask("import os; print(os.environ['BENTOML_HOME'])", BENTOML_HOME="/mine") == "/mine"


def test_the_lock_has_hashes_and_no_address():
    lock = (ROOT / "requirements.lock").read_text()
    pins = [line for line in lock.splitlines() if "==" in line and not line.startswith((" ", "#"))]
    assert len(pins) > 100
    assert "://" not in lock
    assert lock.count("--hash=sha256:") >= len(pins)
