"""`mlflow models serve`: a Python model in MLflow's own server, a process a processor."""

from __future__ import annotations

import base64
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import mlflow

from benchmarks.servers.answer import PORT, PROCESSES, likeliest, open_classifier


class Model(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    def load_context(self, context: Any) -> None:
        self.classifier = open_classifier()

    def predict(self, context: Any, model_input: Any, params: Any = None) -> list[list[dict[str, object]]]:
        images = [base64.b64decode(image) for image in model_input["image"]]
        return [likeliest(self.classifier, self.classifier.classify(image)) for image in images]


if __name__ == "__main__":
    from benchmarks.servers.mlflow_server import Model as Saved  # so that the file does not say __main__

    folder = f"{tempfile.mkdtemp()}/model"
    mlflow.pyfunc.save_model(folder, python_model=Saved(), pip_requirements=[])
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", folder]
    command += ["--env-manager", "local", "--port", str(PORT), "--workers", str(PROCESSES)]
    # It looks for uvicorn on the PATH, and for this file's class on Python's.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    os.execve(sys.executable, command, os.environ | {"PATH": path, "PYTHONPATH": str(Path.cwd())})
