"""MLflow over PostgreSQL, and ZenML with a client: by the commands and variables of compose.yaml."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.processes import free_port
from registry.workspace import Workspace
from tests.infra.docker_files import environment
from tests.infra.topology_world import server
from tests.registry.postgresql import postgresql

pytestmark = pytest.mark.slow


def test_mlflow_shows_what_training_wrote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from steps.tracking import Tracker

    with (
        postgresql() as address,
        server("mlflow", tmp_path, free_port(), {"MLFLOW_BACKEND_STORE_URI": address}) as mlflow,
    ):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        Tracker.open(Workspace(tmp_path), "digits")
        found = mlflow.post("/api/2.0/mlflow/experiments/search", json={"max_results": 10}).json()
        foreign = mlflow.get("/", headers={"host": "attacker.example"})

    assert "digits" in {experiment["name"] for experiment in found["experiments"]}
    assert foreign.status_code == 403  # a page elsewhere whose name leads here


def test_zenml_knows_the_user_of_a_run(tmp_path: Path) -> None:
    secrets = {"ZENML_SERVER_JWT_SECRET_KEY": "7" * 48, "ZENML_DEFAULT_USER_PASSWORD": "p" * 48}
    with server("zenml", tmp_path, free_port(), secrets) as zenml:
        variables = environment("training") | {
            "ZENML_STORE_URL": str(zenml.base_url),
            "ZENML_STORE_PASSWORD": "p" * 48,
            "ZENML_CONFIG_PATH": str(tmp_path / "client"),
        }
        done = subprocess.run(
            [Path(sys.executable).with_name("zenml"), "status"],
            env=os.environ | variables,
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        refused = zenml.post("/api/v1/login", data={"username": "sightline", "password": "other"})

    assert "The active user is: 'sightline'" in done.stderr
    assert refused.status_code == 401
