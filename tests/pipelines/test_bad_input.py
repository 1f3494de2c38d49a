"""The user's own mistakes stop a run before any training, with one message and no traceback.

A few go through the command; the others through what it calls, which says the same in a hundredth of the
time.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.pipelines.conftest import ROOT, Project, write_project
from vision.config import Config
from vision.config_file import load_config
from vision.errors import ConfigError, ContractBreach, DataError
from vision.ingest import read_images
from vision.inspection import inspect_images
from vision.manifest import Manifest
from vision.pixel_store import PixelStore
from vision.sources import list_images

# passlib, which ZenML's store imports, reads the standard library's crypt.
pytestmark = pytest.mark.filterwarnings("ignore:'crypt' is deprecated:DeprecationWarning")

ERRORS = ("ConfigError: ", "DataError: ", "ContractBreach: ")
FOLDERS = {"source": "class_folders"}


def copy_an_image(project: Project) -> None:
    shutil.copy(project.images / "red" / "03.png", project.images / "red" / "copy.png")


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
            [
                "config.train.epochz: unknown key",
                'did you mean "epochs"',
                "run.yaml",
                "allowed are recipe, epochs,",
            ],
        ),
        pytest.param(
            {"quality": {"policies": {"exact_duplicates": "stop"}}},
            copy_an_image,
            "ContractBreach",
            ["red/copy.png", "copies, byte for byte", "delete them"],
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {},
            leave_one_class,
            "DataError",
            ["only one class", "green", "at least 2 are needed", "set config.data.path"],
            marks=pytest.mark.slow,
        ),
    ],
    ids=["missing folder", "unknown key", "a copy under the policy stop", "one class"],
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


def test_a_label_that_is_missing_is_refused(tmp_path: Path, validate_step: ModuleType) -> None:
    config = load_config(write_project(tmp_path).config)
    manifest = inspected(config, tmp_path)
    is_unlabelled = manifest.table["path"] == "red/03.png"
    table = manifest.table.assign(label=manifest.table["label"].mask(is_unlabelled, None))

    with pytest.raises(ContractBreach, match=r"images without a label.*red/03\.png"):
        validate(validate_step, manifest.with_table(table), config)


def test_an_unreadable_file_is_quarantined_by_name(tmp_path: Path, validate_step: ModuleType) -> None:
    project = write_project(tmp_path)
    cut_short(project)
    config = load_config(project.config)
    manifest = inspected(config, tmp_path)

    valid, quarantine, _ = validate(validate_step, manifest, config)

    assert quarantine["path"].tolist() == ["red/03.png"]
    assert "received 200 bytes" in quarantine["reason"].item()
    assert len(valid.table) == len(manifest.table) - 1 and valid.table["is_readable"].all()


def test_an_unreadable_file_stops_a_run_where_the_contract_says_so(
    tmp_path: Path, validate_step: ModuleType
) -> None:
    project = write_project(tmp_path)
    cut_short(project)
    strict = tmp_path / "strict.yaml"
    strict.write_text((ROOT / "data_contracts/manifest.yaml").read_text().replace("quarantine: true", ""))
    config = load_config(project.config)
    contracts = config.contracts.model_copy(update={"manifest": strict})

    with pytest.raises(ContractBreach, match=r"red/03\.png .*received 200 bytes"):
        strict_config = config.model_copy(update={"contracts": contracts})
        validate(validate_step, inspected(config, tmp_path), strict_config)


def inspected(config: Config, folder: Path) -> Manifest:
    """What the steps before validation make of the configured images."""
    store = PixelStore(folder / "pixels", config.prepare)
    manifest = read_images(list_images(config.data, folder), store)
    images = store.images(manifest.readable.table["sha256"].tolist())
    return inspect_images(manifest, images, config=config.quality, seed=1).manifest


def validate(step: ModuleType, manifest: Manifest, config: Config) -> Any:
    return step.validate.entrypoint(manifest, config.contracts, config.quality.policies, fingerprint="")


@pytest.fixture
def validate_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module, outside a run: no metadata is logged. ZenML opens a store when it is imported.

    It looks for the main module's file; a worker of pytest-xdist has none.
    """
    monkeypatch.setattr(sys.modules["__main__"], "__file__", str(ROOT / "training.py"), raising=False)
    for name in ("SIGHTLINE_HOME", "ZENML_CONFIG_PATH", "ZENML_REPOSITORY_PATH"):
        monkeypatch.setenv(name, str(tmp_path / "home" / name))
    module = import_module("steps.validate")
    monkeypatch.setattr(module, "log_metadata", lambda metadata: None)
    return module
