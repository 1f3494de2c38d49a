"""Who imports whom, and what is too heavy to be imported before it is needed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NETWORKS = {"tensorflow", "keras", "nncf", "openvino"}
REPORTS = {"great_expectations", "mlflow", "optuna", "sklearn", "matplotlib"}
# What may not be loaded once the module is imported: TensorFlow alone takes 4 s and 700 MB.
ABSENT = {
    "cli.main": {*NETWORKS, *REPORTS, "zenml", "bentoml", "pandas"},
    "vision.config": {*NETWORKS, *REPORTS, "zenml", "bentoml", "pandas"},
    "vision.config_file": {*NETWORKS, *REPORTS, "zenml", "bentoml", "pandas"},
    "models": NETWORKS,
    "training": {*NETWORKS, *REPORTS, "bentoml"},
    "serving.service": {*NETWORKS, *REPORTS, "zenml", "pandas"},
}


@pytest.mark.parametrize("module", sorted(ABSENT))
def test_import_is_light(module: str, tmp_path: Path) -> None:
    script = tmp_path / "imported.py"  # a file outside the repository, into whose .zen ZenML would write
    script.write_text(f"import json, sys, {module}\nprint(json.dumps(sorted(sys.modules)))\n")
    done = subprocess.run(
        [sys.executable, script],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "ZENML_CONFIG_PATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert not ABSENT[module] & set(json.loads(done.stdout.splitlines()[-1]))


def test_imports_keep_their_direction() -> None:
    """The contracts of pyproject.toml, [tool.importlinter]."""
    command = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([command, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
