"""CHECKS: what `sightline doctor` looks at, each with its fix.

A check is a function of Surroundings that returns a Check of its own name. It changes nothing, opens no
connection beyond this machine, and imports none of the large packages: all together they take about a
second. DEEP ones import TensorFlow.
"""

from __future__ import annotations

from collections.abc import Callable

from infra.doctor.check import Check, Surroundings, warn
from infra.doctor.folders import disk_space, file_system, temporary_folders, workspace
from infra.doctor.gpu import gpu, tensorflow_devices
from infra.doctor.interpreter import bytecode, python_version, virtual_environment
from infra.doctor.machine import memory, open_files, ports
from infra.doctor.packages import conflicts, lock_file, locked_packages, unwanted_packages
from infra.doctor.settings import keras_backend, telemetry, tracking_uri
from infra.doctor.stores import mlflow_store, zenml_store

__all__ = ["CHECKS", "DEEP", "Check", "Surroundings", "examine"]

CHECKS: tuple[Callable[[Surroundings], Check], ...] = (
    python_version,
    virtual_environment,
    lock_file,
    locked_packages,
    conflicts,
    unwanted_packages,
    bytecode,
    telemetry,
    keras_backend,
    tracking_uri,
    gpu,
    memory,
    open_files,
    ports,
    workspace,
    disk_space,
    temporary_folders,
    file_system,
    zenml_store,
    mlflow_store,
)
DEEP: tuple[Callable[[Surroundings], Check], ...] = (tensorflow_devices,)


def examine(surroundings: Surroundings, *, deep: bool = False) -> tuple[Check, ...]:
    """The answer of every check, in the order of the table."""
    return tuple(_ask(check, surroundings) for check in (*CHECKS, *(DEEP if deep else ())))


def _ask(check: Callable[[Surroundings], Check], surroundings: Surroundings) -> Check:
    try:
        return check(surroundings)
    except Exception as error:  # what is examined may be broken in ways that nobody foresaw
        found = f"could not be looked at: {type(error).__name__}: {error}"
        return warn(check.__name__, found, "see the message; the other checks stand")
