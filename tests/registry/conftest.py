"""A workspace with MLflow's database, and versions in it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from registry.model_version import ModelVersion
from registry.versions import register_version
from registry.workspace import Workspace
from tests.registry import fake_classifier as fake
from vision.runtimes import RUNTIMES

MODEL = "colours"
Register = Callable[[float], ModelVersion]


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow takes four seconds to make its tables: once, then copied."""
    from mlflow import MlflowClient

    path = tmp_path_factory.mktemp("database") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}", f"sqlite:///{path}").search_registered_models()
    return path


@pytest.fixture
def fake_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RUNTIMES, fake.NAME, fake.load)


@pytest.fixture
def workspace(
    tmp_path: Path, empty_database: Path, fake_runtime: None, monkeypatch: pytest.MonkeyPatch
) -> Workspace:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("SIGHTLINE_HOME", str(tmp_path / "workspace"))
    workspace = Workspace.from_environment()
    workspace.root.mkdir()
    shutil.copy(empty_database, workspace.root / "mlflow.db")
    return workspace


@pytest.fixture
def register(workspace: Workspace) -> Register:
    """Registers a classifier of that scale; another scale is another classifier."""

    def register_scale(scale: float) -> ModelVersion:
        return register_version(
            workspace,
            MODEL,
            fake.make_classifier(scale),
            samples=fake.make_samples(),
            lineage=fake.make_lineage(f"classifier-{scale}"),
            metrics=fake.METRICS,
        )

    return register_scale
