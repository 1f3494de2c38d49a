"""A machine on which nothing is wrong, and what it takes to spoil it; for the doctor's tests."""

from __future__ import annotations

import py_compile
import resource
import shutil
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from infra.doctor import Surroundings, interpreter, machine
from infra.doctor.check import Package
from infra.doctor.stores import MLFLOW, ZENML, Owner
from infra.environment import TELEMETRY_OFF

Patch = pytest.MonkeyPatch
CUDA = 'nvidia-cudnn-cu12; extra == "and-cuda"'


@pytest.fixture
def world(tmp_path: Path, monkeypatch: Patch) -> Surroundings:
    """A machine on which nothing is wrong."""
    root = tmp_path / "repository"
    (root / ".venv").mkdir(parents=True)
    (root / "pyproject.toml").write_text(
        '[project]\nrequires-python = ">=3.11,<3.13"\ndependencies = ["Rich>=13"]\n'
    )
    (root / "requirements.lock").write_text(
        "# by uv\nrich==14.1 ; python_version < '4' \\\n    --hash=sha256:0\n"
    )
    (tmp_path / "workspace").mkdir()
    _compiled_package(tmp_path, monkeypatch)
    monkeypatch.setattr(machine, "PORTS", {_free_port(): "make serve PORT=3001"})
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=8e9))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=100e9))
    monkeypatch.setattr(resource, "getrlimit", lambda _: (4096, 4096))
    return Surroundings(
        root=root,
        workspace=tmp_path / "workspace",
        environment={**TELEMETRY_OFF, "HOME": str(tmp_path), "PATH": str(tmp_path)},
        packages={
            "rich": Package("14.1"),
            "tensorflow": Package("2.21.0", ("rich>=13", 'jax; extra == "jax"', CUDA)),
        },
        python="3.11.7",
        prefix=root / ".venv",
        system=tmp_path / "system",
    )


@dataclass(frozen=True)
class Tools:
    """What spoils a world: things that are put back when the test ends."""

    patch: Patch
    taken_port: int


@pytest.fixture
def tools(monkeypatch: Patch) -> Iterator[Tools]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield Tools(monkeypatch, listener.getsockname()[1])


def _compiled_package(folder: Path, monkeypatch: Patch) -> None:
    package = folder / "probed_by_doctor"
    package.mkdir()
    (package / "__init__.py").touch()
    py_compile.compile(str(package / "__init__.py"))
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(interpreter, "PROBED", package.name)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def with_environment(world: Surroundings, **environment: str) -> Surroundings:
    return replace(world, environment={**world.environment, **environment})


def with_packages(world: Surroundings, **packages: Package) -> Surroundings:
    named = {name.replace("_", "-"): package for name, package in packages.items()}
    return replace(world, packages={**world.packages, **named})


def write(world: Surroundings, path: str, text: str) -> Surroundings:
    """The same world, with a file in its system."""
    (world.system / path).parent.mkdir(parents=True, exist_ok=True)
    (world.system / path).write_text(text)
    return world


def with_card(world: Surroundings) -> Surroundings:
    write(world, "dev/nvidia0", "")
    return write(
        world, "proc/driver/nvidia/gpus/0000:01:00.0/information", "Model: \t\t NVIDIA H200\nIRQ: 5\n"
    )


def make_store(world: Surroundings, owner: Owner, revision: str) -> Path:
    names = {ZENML: "zenml/local_stores/default_zen_store/zenml.db", MLFLOW: "mlflow.db"}
    path = world.workspace / names[owner]
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as store:
        store.execute("CREATE TABLE alembic_version (version_num TEXT)")
        store.execute("INSERT INTO alembic_version VALUES (?)", (revision,))
        store.commit()
    return path
