"""Files that a training's run in MLflow keeps, read back."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from registry.ledger import has_database
from registry.workspace import Workspace
from vision.errors import RegistryError


def read_run_file(workspace: Workspace, run_id: str, name: str) -> str:
    """The text of one artifact of the run; RegistryError where there is no such run, or no such file."""
    if not has_database(workspace):
        raise RegistryError(f"there is no database {workspace.database}: restore it from a copy")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # before the import: it reads it then
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    try:
        client = MlflowClient(workspace.database)
        with tempfile.TemporaryDirectory() as folder:
            return Path(client.download_artifacts(run_id, name, folder)).read_text()
    except (MlflowException, OSError) as error:
        reason = " ".join(str(error).split())
        raise RegistryError(f"{name} of MLflow's run {run_id} cannot be read: {reason}") from error
