"""The same model behind other servers, a file each, as their own documentation shows it; one row a server.

Each is started as `python -m benchmarks.servers.FILE` with BUNDLE and PORT in its environment. Those that
run processes have one a processor, the others threads.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.question import form

# Where infra/bench/requirements-servers.lock is installed: what neither training nor serving needs.
APART = Path(__file__).resolve().parents[2] / ".venv-servers" / "bin" / "python"
HERE = Path(sys.executable)


def _raw(image: bytes) -> tuple[str, bytes]:
    return "image/jpeg", image


def _form(image: bytes) -> tuple[str, bytes]:
    return form("images", image)


def _json(image: bytes) -> tuple[str, bytes]:
    return "application/json", json.dumps({"image": base64.b64encode(image).decode()}).encode()


def _table(image: bytes) -> tuple[str, bytes]:
    split = {"columns": ["image"], "data": [[base64.b64encode(image).decode()]]}
    return "application/json", json.dumps({"dataframe_split": split}).encode()


@dataclass(frozen=True)
class Server:
    """`ask` makes content type and body of an image; `library` must be installed for `python`."""

    name: str
    file: str
    library: str
    path: str
    ask: Callable[[bytes], tuple[str, bytes]]
    python: Path = HERE

    @property
    def command(self) -> list[str]:
        return [str(self.python), "-m", f"benchmarks.servers.{self.file}"]

    @property
    def is_installed(self) -> bool:
        test = f"import importlib.util as u, sys; sys.exit(u.find_spec('{self.library}') is None)"
        return self.python.exists() and not subprocess.run([self.python, "-c", test], check=False).returncode


SERVERS = (
    Server("FastAPI + uvicorn", "fastapi_server", "uvicorn", "/classify", _raw),
    Server("BentoML, batchable API", "bentoml_server", "bentoml", "/classify", _form),
    Server("MLflow models serve", "mlflow_server", "mlflow", "/invocations", _table),
    Server("LitServe", "litserve_server", "litserve", "/predict", _json, APART),
    Server("Ray Serve", "ray_server", "ray", "/", _raw, APART),
)
