"""Every check of the doctor's table, in a good world and in a bad one."""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from infra.doctor import CHECKS, Check, Surroundings, machine
from infra.doctor.check import Package
from infra.doctor.stores import MLFLOW, ZENML
from tests.cli.doctor_world import (
    Tools,
    make_store,
    tools,
    with_card,
    with_environment,
    with_packages,
    world,
    write,
)

__all__ = ["tools", "world"]

Change = Callable[[Surroundings, Tools], Surroundings]


def _older_project(world: Surroundings, _: Tools) -> Surroundings:
    (world.root / "requirements.lock").write_text("rich==12.0\n")
    return world


def _uncompiled(world: Surroundings, _: Tools) -> Surroundings:
    shutil.rmtree(world.workspace.parent / "probed_by_doctor" / "__pycache__")
    return with_environment(world, PYTHONDONTWRITEBYTECODE="1")


def _small_limit(world: Surroundings, tools: Tools) -> Surroundings:
    tools.patch.setattr(resource, "getrlimit", lambda _: (256, 4096))
    return world


def _free(size_bytes: float) -> Change:
    def change(world: Surroundings, tools: Tools) -> Surroundings:
        tools.patch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=size_bytes))
        return world

    return change


def _full_container(world: Surroundings, _: Tools) -> Surroundings:
    write(world, "sys/fs/cgroup/memory.max", "1000000000\n")
    return write(world, "sys/fs/cgroup/memory.current", "400000000\n")


def _taken_port(world: Surroundings, tools: Tools) -> Surroundings:
    tools.patch.setattr(machine, "PORTS", {tools.taken_port: "make serve PORT=3001"})
    return world


def _no_folder(world: Surroundings, _: Tools) -> Surroundings:
    world.workspace.rmdir()
    world.workspace.touch()
    return world


def _no_locks(world: Surroundings, tools: Tools) -> Surroundings:
    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    tools.patch.setattr("fcntl.flock", refuse)
    return world


def _damaged_store(world: Surroundings, _: Tools) -> Surroundings:
    make_store(world, ZENML, "0.98.0").write_bytes(b"no database, but long enough to be looked at" * 100)
    return world


def _newer_store(world: Surroundings, _: Tools) -> Surroundings:
    make_store(world, MLFLOW, "fffffffffff9")
    return world


@dataclass(frozen=True)
class Bad:
    """How to spoil a good world, and what is then said."""

    change: Change
    status: str
    found: str
    fix: str


BAD = {
    "python_version": Bad(lambda world, _: replace(world, python="3.13.1"), "fail", "3.13.1", "make setup"),
    "virtual_environment": Bad(
        lambda world, _: replace(world, prefix=Path("/usr")), "warn", "/usr is not", "bin/activate"
    ),
    "lock_file": Bad(_older_project, "fail", "lacks Rich>=13", "make lock"),
    "locked_packages": Bad(
        lambda world, _: with_packages(world, rich=Package("13.0")),
        "fail",
        "rich 13.0 instead of 14.1",
        "make setup",
    ),
    "conflicts": Bad(
        lambda world, _: with_packages(world, kfp=Package("2.0", ("RICH<10",))),
        "warn",
        "kfp needs RICH<10, here is 14.1",
        "make setup",
    ),
    "unwanted_packages": Bad(
        lambda world, _: with_packages(world, opencv_python=Package("4.12")),
        "warn",
        "libGL",
        "uninstall opencv-python && .venv/bin/uv pip install --reinstall-package opencv",
    ),
    "bytecode": Bad(_uncompiled, "warn", "PYTHONDONTWRITEBYTECODE", "compileall"),
    "telemetry": Bad(
        lambda world, _: with_environment(world, ZENML_ANALYTICS_OPT_IN="true"),
        "warn",
        "ZENML_ANALYTICS_OPT_IN=true",
        "export ZENML_ANALYTICS_OPT_IN=false",
    ),
    "keras_backend": Bad(
        lambda world, _: with_environment(world, KERAS_BACKEND="jax"), "fail", "not installed", "tensorflow"
    ),
    "tracking_uri": Bad(
        lambda world, _: with_environment(world, MLFLOW_TRACKING_URI="./mlruns"),
        "fail",
        "file store",
        "unset MLFLOW_TRACKING_URI",
    ),
    "gpu": Bad(
        lambda world, _: with_card(world),
        "warn",
        "H200, and TensorFlow without CUDA: missing nvidia-cudnn-cu12",
        '"tensorflow[and-cuda]==2.21.0"',
    ),
    "memory": Bad(_full_container, "fail", "0.6 GB", "more memory"),
    "open_files": Bad(_small_limit, "warn", "256", "ulimit -n 4096"),
    "ports": Bad(_taken_port, "warn", f"process {os.getpid()} (", "make serve PORT=3001"),
    "workspace": Bad(_no_folder, "fail", "no file can be made", "SIGHTLINE_HOME"),
    "disk_space": Bad(_free(0.5e9), "fail", "0.5 GB", "SIGHTLINE_HOME"),
    "temporary_folders": Bad(_free(0.5e9), "warn", "0.5 GB", "TMPDIR"),
    "file_system": Bad(_no_locks, "warn", "cannot be locked", "SIGHTLINE_HOME"),
    "zenml_store": Bad(_damaged_store, "fail", "is damaged", "zenml.db.old"),
    "mlflow_store": Bad(_newer_store, "fail", "does not know", "install the mlflow that wrote it"),
}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_check_passes_in_a_good_world(check: Callable[[Surroundings], Check], world: Surroundings) -> None:
    answer = check(world)
    assert (answer.name, answer.status, answer.fix) == (check.__name__, "ok", "")


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_check_says_what_is_wrong_and_the_fix(
    check: Callable[[Surroundings], Check], world: Surroundings, tools: Tools
) -> None:
    bad = BAD[check.__name__]
    answer = check(bad.change(world, tools))
    assert (answer.name, answer.status) == (check.__name__, bad.status)
    assert bad.found in answer.found
    assert bad.fix in answer.fix


def test_every_bad_world_is_of_a_check() -> None:
    assert set(BAD) == {check.__name__ for check in CHECKS}
