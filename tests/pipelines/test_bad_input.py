"""The user's own mistakes stop a run before any training, with one message and no traceback.

A few go through the command; the others through what it calls, which says the same in a hundredth of the
time.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.pipelines.conftest import Project, write_project
from vision.config_file import load_config
from vision.errors import ConfigError, ContractBreach, DataError
from vision.ingest import measure_images
from vision.sources import list_images

# passlib, which ZenML's store imports, reads the standard library's crypt.
pytestmark = pytest.mark.filterwarnings("ignore:'crypt' is deprecated:DeprecationWarning")

ERRORS = ("ConfigError: ", "DataError: ", "ContractBreach: ")
FOLDERS = {"source": "class_folders"}


def cut_short(project: Project) -> None:
    image = project.images / "red" / "03.png"
    image.write_bytes(image.read_bytes()[:200])


def leave_one_class(project: Project) -> None:
    shutil.rmtree(project.images / "blue")
    shutil.rmtree(project.images / "red")


def empty_a_class(project: Project) -> None:
    for image in (project.images / "red").iterdir():
        image.unlink()


@pytest.mark.parametrize(
    ("sections", "harm", "error", "words"),
    [
        (
            {"data": {**FOLDERS, "path": "/nowhere/images"}},
            None,
            "DataError",
            ['no folder at "/nowhere/images"', "allowed are PATH/<class>/", "set config.data.path"],
        ),
        (
            {"train": {"epochz": 3}},
            None,
            "ConfigError",
            ["config.train.epochz: unknown key", 'did you mean "epochs"', "run.yaml", "allowed are epochs,"],
        ),
        (
            {},
            cut_short,
            "ContractBreach",
            ["red/03.png", "received 200 bytes", "allowed are whole files of JPEG, PNG", "replace or remove"],
        ),
        (
            {},
            leave_one_class,
            "DataError",
            ["only one class", "green", "at least 2 are needed", "set config.data.path"],
        ),
    ],
    ids=["missing folder", "unknown key", "unreadable image", "one class"],
)
def test_command_stops_with_one_message(
    tmp_path: Path,
    sections: dict[str, Any],
    harm: Callable[[Project], None] | None,
    error: str,
    words: list[str],
) -> None:
    project = write_project(tmp_path, **sections)
    if harm:
        harm(project)

    run = project.run()

    messages = [line for line in run.log.splitlines() if line.startswith(ERRORS)]
    assert run.status == 1
    assert [message.split(":")[0] for message in messages] == [error], run.log
    assert all(word in messages[0] for word in words), messages
    assert "Traceback" not in run.log
    assert "train" not in run.executed
    assert not (project.workspace.root / "mlflow.db").exists()


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"model": {"name": "resnt"}}, ['unknown architecture "resnt"', "residual", "config.model.name"]),
        ({"train": {"epochs": "many"}}, ['config.train.epochs: received "many"', "valid integer"]),
        (
            {"model": {"name": "reference_b"}, "prepare": {"image_size": [8, 8]}},
            ["8 x 8 pixels", "reference_b needs 16 x 16", "config.prepare.image_size", "config.model.name"],
        ),
        (
            {"model": {"name": "residual", "options": {"filterz": 3}}},
            ['unknown option of residual "filterz"', "filters, stages", "config.model.options"],
        ),
    ],
    ids=["unknown architecture", "wrong type", "image too small", "unknown option"],
)
def test_run_file_is_refused(tmp_path: Path, sections: dict[str, Any], words: list[str]) -> None:
    project = write_project(tmp_path, **sections)

    with pytest.raises(ConfigError) as caught:
        load_config(project.config)

    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"{project.config}: config")
    assert all(word in line for word in words), line


def test_empty_class_is_refused(tmp_path: Path) -> None:
    project = write_project(tmp_path)
    empty_a_class(project)

    with pytest.raises(DataError) as caught:
        list_images(load_config(project.config).data, tmp_path)

    words = ('class "red" has no image', ".png", "add images, remove the folder", "config.data.path")
    assert all(word in str(caught.value) for word in words), caught.value


def test_missing_contract_is_refused(tmp_path: Path, validate_step: ModuleType) -> None:
    project = write_project(tmp_path, contracts={"images": "my/contract.yaml"})

    with pytest.raises(ConfigError) as caught:
        validate_step.fingerprint_contracts(load_config(project.config).contracts)

    words = ("my/contract.yaml", "set config.contracts.images", "data_contracts/")
    assert all(word in str(caught.value) for word in words), caught.value


@pytest.mark.parametrize(
    ("label", "words"),
    [(None, "images without a label"), (" ", "images with a blank label")],
    ids=["none", "blank"],
)
def test_missing_label_is_refused(
    tmp_path: Path, validate_step: ModuleType, label: str | None, words: str
) -> None:
    config = load_config(write_project(tmp_path).config)
    listing = list_images(config.data, tmp_path)
    manifest = measure_images(listing, max_pixels=1000, background=(0, 0, 0))
    is_unlabelled = manifest.table["path"] == "red/03.png"
    table = manifest.table.assign(label=manifest.table["label"].mask(is_unlabelled, label))

    with pytest.raises(ContractBreach, match=rf"{words}.*red/03\.png"):
        validate_step.validate.entrypoint(manifest.with_table(table), config.contracts, fingerprint="")


@pytest.fixture
def validate_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module, outside a run: no metadata is logged. ZenML opens a store when it is imported."""
    for name in ("SIGHTLINE_HOME", "ZENML_CONFIG_PATH", "ZENML_REPOSITORY_PATH"):
        monkeypatch.setenv(name, str(tmp_path / "home" / name))
    module = import_module("steps.validate")
    monkeypatch.setattr(module, "log_metadata", lambda metadata: None)
    return module
