"""Environment variables and files of settings that change what the tools do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from infra.doctor.check import Check, Surroundings, fail, ok, warn
from infra.environment import TELEMETRY_OFF

# Keras 3's backends, named as their packages. Its fourth, openvino, cannot train.
BACKENDS = ("tensorflow", "jax", "torch")
# What the ledger and MLflow's registry can be tables of: MLflow's DATABASE_ENGINES.
DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
FALSE = ("false", "0", "no", "n", "off")


def telemetry(surroundings: Surroundings) -> Check:
    """Every switch of infra/environment.py, as it stands in this process."""
    on = [
        name
        for name, value in TELEMETRY_OFF.items()
        if not _is_same(surroundings.environment.get(name, ""), value)
    ]
    if not on:
        return ok("telemetry", f"off: {len(TELEMETRY_OFF)} switches")
    found = ", ".join(f"{name}={surroundings.environment.get(name, '')}" for name in on)
    fix = " ".join(f"{name}={TELEMETRY_OFF[name]}" for name in on)
    return warn(
        "telemetry",
        f"may call home: {found}",
        f"export {fix}; the Python of .venv does so where nothing is set",
    )


def keras_backend(surroundings: Surroundings) -> Check:
    """KERAS_BACKEND, or where it is not set keras.json in KERAS_HOME or ~/.keras."""
    file, document = _keras_file(surroundings)
    variable = surroundings.environment.get("KERAS_BACKEND")
    where = "KERAS_BACKEND" if variable else str(file)
    backend = variable or str(document.get("backend", "tensorflow"))
    if document.get("image_data_format", "channels_last") != "channels_last":
        found = f"{file} has image_data_format {document['image_data_format']}: images are (H, W, C) here"
        return fail("keras_backend", found, f"set image_data_format in {file} to channels_last")
    if backend not in BACKENDS:
        fix = f"set {where} to one of {', '.join(BACKENDS)}"
        return fail("keras_backend", f'"{backend}" of {where} cannot train', fix)
    if backend not in surroundings.packages:
        found = f'"{backend}" of {where} is not installed'
        return fail("keras_backend", found, f"set {where} to tensorflow, or install {backend}")
    return ok("keras_backend", backend)


def tracking_uri(surroundings: Surroundings) -> Check:
    """MLFLOW_TRACKING_URI, where set, must be a database: MLflow 3 refuses files, the ledger a server."""
    uri = surroundings.environment.get("MLFLOW_TRACKING_URI", "")
    scheme = uri.partition("://")[0].partition("+")[0].lower() if "://" in uri else ""
    fix = "unset MLFLOW_TRACKING_URI, or set it to sqlite:////folder/mlflow.db or postgresql+psycopg://..."
    if not uri:
        return ok("tracking_uri", "not set: MLflow's database lies in the workspace")
    if scheme in DATABASES:
        return ok("tracking_uri", f"a {scheme} database")
    if scheme in ("http", "https"):
        found = f"MLFLOW_TRACKING_URI is a server ({scheme}): the ledger must be a table of a database"
        return fail("tracking_uri", found, fix)
    return fail("tracking_uri", f'MLFLOW_TRACKING_URI "{uri}" is a file store, which MLflow 3 refuses', fix)


def _keras_file(surroundings: Surroundings) -> tuple[Path, dict[str, Any]]:
    """Keras' file of settings, and what it says."""
    home = surroundings.environment.get("KERAS_HOME") or f"{surroundings.environment.get('HOME', '')}/.keras"
    file = Path(home).expanduser() / "keras.json"
    try:
        document = json.loads(file.read_text())
    except (OSError, ValueError):  # Keras passes over a file that it cannot read
        document = {}
    return file, document


def _is_same(received: str, expected: str) -> bool:
    if expected.lower() in FALSE:
        return received.lower() in FALSE
    return received.lower() == expected.lower()
