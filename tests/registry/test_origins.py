"""The way back from a registered version to what it came from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from registry.origins import model_facts, prepared_images, trained_network
from registry.workspace import Workspace
from tests.registry.conftest import Register
from vision.data_config import DataConfig
from vision.errors import DataError, RegistryError
from vision.ingest import read_images
from vision.manifest import Manifest
from vision.pixel_store import PixelStore
from vision.prepared import prepare_images
from vision.preprocessing import Preprocessing
from vision.sources import list_images

EIGHT = Preprocessing(image_size=(8, 8))  # of the fake classifier


@pytest.fixture
def manifest(tmp_path: Path, workspace: Workspace) -> Manifest:
    """Ten images in two classes, half of them test images."""
    for number in range(10):
        path = tmp_path / "images" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8, 3), 20 * number, np.uint8)).save(path)
    data = DataConfig(source="class_folders", path=str(tmp_path / "images"))
    found = read_images(list_images(data, tmp_path), PixelStore(workspace.prepared, EIGHT))
    return found.with_table(found.table.assign(split=pd.Series(["train", "test"] * 5)))


def test_images_are_those_of_the_lineage(
    workspace: Workspace, register: Register, manifest: Manifest
) -> None:
    moved = manifest.with_table(manifest.table.assign(split="train"))
    for other in (moved, manifest):
        prepare_images(other, EIGHT, workspace.prepared)
    prepare_images(manifest, Preprocessing(image_size=(4, 4)), workspace.prepared)
    version = register(0.01)
    version = replace(version, lineage=replace(version.lineage, data_revision=manifest.revision))

    found = prepared_images(workspace, version)

    assert found.paths("test") == tuple(sorted(manifest.select("test").table["path"]))
    assert found.images("test").shape == (5, 8, 8, 3)


def test_images_that_are_gone_are_missed(workspace: Workspace, register: Register) -> None:
    with pytest.raises(DataError, match="no images of version 1 among the 0 sets"):
        prepared_images(workspace, register(0.01))


def test_facts_are_those_of_the_report(register: Register, tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text('{"evaluation": {"model": {"parameters": 1234}}}')
    version = replace(register(0.01), report=tmp_path / "report.html")
    assert model_facts(version).parameters == 1234


def test_facts_without_a_report_are_missed(register: Register) -> None:
    with pytest.raises(RegistryError, match="version 1 has no report"):
        model_facts(register(0.01))


@pytest.mark.parametrize("run_id", [None, "0" * 32])
def test_network_without_its_run_is_missed(
    run_id: str | None, workspace: Workspace, register: Register
) -> None:
    version = register(0.01)
    version = replace(version, lineage=replace(version.lineage, run_id=run_id))
    with pytest.raises(RegistryError, match="train it again"):
        trained_network(workspace, version)
