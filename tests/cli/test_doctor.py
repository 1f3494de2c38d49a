"""`sightline doctor`: what the checks tell apart, and the command around them."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from cli.main import run
from infra.doctor import CHECKS, DEEP, Surroundings, examine, machine
from infra.doctor.check import Package
from infra.doctor.folders import disk_space
from infra.doctor.gpu import gpu, has_usable_gpu, tensorflow_devices
from infra.doctor.packages import locked_packages
from infra.doctor.settings import keras_backend, tracking_uri
from infra.doctor.stores import MLFLOW, ZENML, Owner, mlflow_store, zenml_store
from tests.cli.doctor_world import Patch, make_store, with_card, with_environment, with_packages, world, write

__all__ = ["world"]

ROOT = Path(__file__).resolve().parents[2]


def test_little_disk_is_a_warning(world: Surroundings, monkeypatch: Patch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2e9))
    assert disk_space(world).status == "warn"


def test_missing_package_is_named(world: Surroundings) -> None:
    answer = locked_packages(replace(world, packages={}))
    assert (answer.status, answer.found) == ("fail", "rich is missing")


def test_memory_of_a_container_without_limit_is_the_machines(world: Surroundings) -> None:
    write(world, "sys/fs/cgroup/memory.max", "max\n")
    assert machine.memory(world).found == "8.0 GB available"


@pytest.mark.parametrize("owner", [ZENML, MLFLOW], ids=lambda owner: owner.package)
def test_store_of_the_installed_version_is_fine(owner: Owner, world: Surroundings) -> None:
    spec = importlib.util.find_spec(owner.package)
    assert spec is not None and spec.submodule_search_locations
    folder = Path(spec.submodule_search_locations[0]) / owner.migrations
    revision = next(file.name.partition("_")[0] for file in folder.glob("[0-9]*_*.py"))
    path = make_store(world, owner, revision)
    check = zenml_store(world) if owner is ZENML else mlflow_store(world)
    assert (check.status, check.found) == ("ok", f"{path}, schema {revision}")


def test_locked_store_is_a_warning(world: Surroundings) -> None:
    with closing(sqlite3.connect(make_store(world, MLFLOW, "x"), isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        answer = mlflow_store(world)
    assert answer.status == "warn"
    assert "locked" in answer.found


def test_looking_at_a_store_makes_none_and_changes_none(world: Surroundings) -> None:
    assert "none yet" in mlflow_store(world).found
    assert list(world.workspace.iterdir()) == []

    path = make_store(world, MLFLOW, "x")
    before = path.read_bytes()
    mlflow_store(world)
    assert path.read_bytes() == before


def test_zenml_settings_of_a_moved_workspace_are_told(world: Surroundings) -> None:
    settings = world.workspace / "zenml" / "config.yaml"
    settings.parent.mkdir()
    settings.write_text("store: {url: 'sqlite:////gone/zenml.db'}")
    answer = zenml_store(world)
    assert (answer.status, "/gone/zenml.db" in answer.found) == ("fail", True)
    assert f"mv {settings}" in answer.fix


def test_store_on_a_server_is_not_asked_and_its_password_not_shown(world: Surroundings) -> None:
    answer = zenml_store(with_environment(world, ZENML_STORE_URL="mysql://user:secret@db.example/zenml"))
    assert (answer.status, answer.found) == ("ok", "at db.example, not asked")


@pytest.mark.parametrize(
    ("uri", "status"),
    [
        ("sqlite:////data/mlflow.db", "ok"),
        ("postgresql+psycopg2://db/mlflow", "ok"),
        ("http://127.0.0.1:5000", "fail"),
        ("file:///data/mlruns", "fail"),
    ],
)
def test_tracking_must_be_a_database(uri: str, status: str, world: Surroundings) -> None:
    assert tracking_uri(with_environment(world, MLFLOW_TRACKING_URI=uri)).status == status


@pytest.mark.parametrize(
    ("settings", "status"),
    [
        ({"backend": "tensorflow"}, "ok"),
        ({"backend": "openvino"}, "fail"),
        ({"backend": "tensorflow", "image_data_format": "channels_first"}, "fail"),
    ],
)
def test_keras_own_file_is_read(
    settings: dict[str, str], status: str, world: Surroundings, tmp_path: Path
) -> None:
    (tmp_path / "keras.json").write_text(json.dumps(settings))
    assert keras_backend(with_environment(world, KERAS_HOME=str(tmp_path))).status == status


def test_gpu_with_cuda_is_usable_unless_hidden(world: Surroundings) -> None:
    ready = with_packages(with_card(world), nvidia_cudnn_cu12=Package("9.3"))
    assert gpu(ready).found == "NVIDIA H200, with CUDA"
    assert has_usable_gpu(ready)
    assert not has_usable_gpu(with_environment(ready, CUDA_VISIBLE_DEVICES="-1"))
    assert not has_usable_gpu(replace(world, system=world.system / "without"))


def test_card_without_driver_is_a_warning(world: Surroundings) -> None:
    write(world, "sys/bus/pci/devices/0000:01:00.0/vendor", "0x10de\n")
    write(world, "sys/bus/pci/devices/0000:01:00.0/class", "0x030200\n")
    answer = gpu(world)
    assert (answer.status, "without a driver" in answer.found) == ("warn", True)


@pytest.mark.parametrize(("devices", "status"), [(["/GPU:0"], "ok"), ([], "fail")])
def test_deep_asks_tensorflow(
    devices: list[str], status: str, world: Surroundings, monkeypatch: Patch
) -> None:
    found = [SimpleNamespace(name=name) for name in devices]
    config = SimpleNamespace(list_physical_devices=lambda _: found)
    monkeypatch.setitem(sys.modules, "tensorflow", SimpleNamespace(config=config, __version__="2.21.0"))
    assert tensorflow_devices(with_card(world)).status == status
    assert len(examine(world, deep=True)) == len(CHECKS) + len(DEEP)


def test_check_that_breaks_is_a_warning_and_the_others_go_on(world: Surroundings) -> None:
    (world.root / "requirements.lock").unlink()
    answers = {check.name: check for check in examine(world)}
    assert len(answers) == len(CHECKS)
    assert (answers["lock_file"].status, answers["gpu"].status) == ("warn", "ok")
    assert "FileNotFoundError" in answers["lock_file"].found


def test_doctor_answers_for_people_and_programs(
    world: Surroundings, monkeypatch: Patch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Surroundings, "of_this_process", lambda: world)
    assert run(["doctor", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["ok"], len(document["checks"])) == (True, len(CHECKS))

    monkeypatch.setattr(Surroundings, "of_this_process", lambda: replace(world, python="3.9.0"))
    assert run(["doctor"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("fail  python version")
    assert lines[1].strip().startswith("fix: install Python 3.11")


def test_warnings_alone_do_not_fail(world: Surroundings, monkeypatch: Patch) -> None:
    monkeypatch.setattr(Surroundings, "of_this_process", lambda: replace(world, prefix=Path("/usr")))
    assert run(["doctor", "--json"]) == 0


def test_nothing_large_is_imported() -> None:
    """Which is what keeps the command near a second."""
    code = (
        "import sys; from infra.doctor import Surroundings, examine; examine(Surroundings.of_this_process());"
        "print(sorted({'tensorflow', 'keras', 'zenml', 'mlflow', 'cv2', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
