"""Defaults of the project's own environment, set at the start of every Python of .venv.

`make` puts a .pth file there that imports this module; so `zenml`, `mlflow`, `bentoml` and `pytest`
behave the same with the environment activated or called by path. What the user has set already is
kept. It runs in every Python process: standard library only, and quick.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Each of these calls home unless told not to.
TELEMETRY_OFF = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "ZENML_ANALYTICS_OPT_IN": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "BENTOML_DO_NOT_TRACK": "True",
    "GX_ANALYTICS_ENABLED": "false",
    "NNCF_CI": "1",  # the switch of NNCF; OpenVINO's converter has none, see [tool.uv] in pyproject.toml
}

QUIET = {
    "TF_CPP_MIN_LOG_LEVEL": "2",
    "ZENML_ENABLE_RICH_TRACEBACK": "false",
    # Seven job consumers of 155 MB each that Sightline has no work for.
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
}


def set_defaults(root: Path = ROOT) -> None:
    """Sets what is not set: telemetry off, one workspace folder for every tool's files."""
    home = Path(os.environ.setdefault("SIGHTLINE_HOME", str(root / "workspace")))
    folders = {
        "ZENML_CONFIG_PATH": str(home / "zenml"),
        "BENTOML_HOME": str(home / "bentoml"),
    }
    for name, value in {**TELEMETRY_OFF, **QUIET, **folders}.items():
        os.environ.setdefault(name, value)


def install() -> None:
    """Writes the .pth file into the environment of the running Python."""
    site_packages = next(Path(path) for path in sys.path if path.endswith("site-packages"))
    (site_packages / "sightline_environment.pth").write_text(
        f"{ROOT}\nimport infra.environment; infra.environment.set_defaults()\n"
    )


if __name__ == "__main__":
    install()
