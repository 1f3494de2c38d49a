"""The Bento: serves from elsewhere, is built once, and is there whole or not at all."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import yaml

from registry.pointer import bundle_path
from serving.bento.build import build_bento, name_latest
from serving.bento.packing import pinned_requirements
from vision.classifier import ImageClassifier
from vision.enhancement import Enhancement
from vision.errors import BundleError
from vision.preprocessing import Preprocessing

ROOT = Path(__file__).resolve().parents[2]
TAG = "sightline-digits:1"


@pytest.fixture(scope="module")
def built(make_registry, tmp_path_factory):
    """A registry with version 1 and a store with its Bento."""
    registry = make_registry(tmp_path_factory.mktemp("build") / "workspace")
    registry.promote(1)
    assert build(registry) == TAG
    return registry


def build(registry, version: int = 1) -> str:
    bundle = bundle_path(registry.workspace, "digits", version)
    return build_bento(bundle, model="digits", version=version, bento_home=registry.workspace.bentoml)


def bento(registry, version: int = 1) -> Path:
    return registry.workspace.bentoml / "bentos" / "sightline-digits" / str(version)


def test_bento_serves_without_repository_and_workspace(built, start_service, encoded, tmp_path) -> None:
    shutil.copytree(built.workspace.bentoml, tmp_path / "store")
    command = ["bentoml", "serve", TAG]

    service = start_service(command, cwd=tmp_path, BENTOML_HOME=tmp_path / "store", SIGHTLINE_HOME=tmp_path)

    service.wait_ready()
    answer = service.classify(encoded["photo.jpg"]).json()
    champion = ImageClassifier.load(bundle_path(built.workspace, "digits", 1))
    expected = champion.classify(encoded["photo.jpg"])
    assert (answer["model"], answer["version"]) == ("digits", 1)
    assert answer["class"] == champion.class_names[int(expected.argmax())]
    assert np.float32(answer["confidence"]) == expected.max()
    workers = psutil.Process(service.process.pid).children()
    assert {worker.cwd() for worker in workers} == {str(tmp_path / "store/bentos/sightline-digits/1/src")}


def test_a_bento_that_was_told_no_place_writes_nothing(built, start_service, encoded, tmp_path) -> None:
    shutil.copytree(built.workspace.bentoml, tmp_path / "store")
    code = tmp_path / "store/bentos/sightline-digits/1/src"
    # Empty, because this environment gives it a value otherwise.
    places = {"BENTOML_HOME": tmp_path / "store", "SIGHTLINE_HOME": ""}
    service = start_service(["bentoml", "serve", TAG], cwd=tmp_path, **places)
    service.wait_ready()

    prediction = service.classify(encoded["photo.jpg"]).json()["id"]
    refused = service.client.post("/v1/feedback", json={"id": prediction, "label": "one"})
    service.process.terminate()
    service.process.wait(timeout=15)

    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "feedback_off")
    assert not (code / "workspace").exists()


def test_bento_serves_its_own_version_whoever_is_champion(registry, start_service, encoded) -> None:
    registry.promote(1)
    build(registry)
    registry.promote(2)
    places = {"BENTOML_HOME": registry.workspace.bentoml, "SIGHTLINE_HOME": registry.workspace.root}

    own = start_service(["serving", TAG], **places)
    following = start_service(["serving", TAG], **places, SIGHTLINE_FOLLOW="true")

    versions = []
    for service in (own, following):
        service.wait_ready()
        versions.append(service.classify(encoded["photo.jpg"]).json()["version"])
    assert versions == [1, 2]


def test_bento_carries_dockerfile_and_pinned_requirements(built) -> None:
    requirements = (bento(built) / "env/python/requirements.txt").read_text().split()

    assert (bento(built) / "env/docker/Dockerfile").is_file()
    assert all("==" in requirement for requirement in requirements)
    names = {requirement.partition("==")[0] for requirement in requirements}
    assert {"bentoml", "openvino", "fastapi", "starlette", "pillow"} <= names
    assert not names & {"tensorflow", "keras", "zenml", "mlflow", "ai-edge-litert", "pandas"}


@pytest.mark.parametrize(("clahe", "is_there"), [(0.0, False), (2.0, True)])
def test_opencv_is_required_where_the_model_enhances_its_images(clahe, is_there) -> None:
    preprocessing = Preprocessing(enhance=Enhancement(clahe=clahe)).model_dump(mode="json")
    pins = pinned_requirements({"runtime": "litert", "preprocessing": preprocessing})
    assert any(pin.startswith("opencv-python-headless==") for pin in pins) == is_there


def test_a_bento_that_is_there_is_kept(built) -> None:
    before = (bento(built) / "bento.yaml").stat()

    assert build(built) == TAG
    after = (bento(built) / "bento.yaml").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


@pytest.mark.parametrize("damage", ["model.bin", "bento.yaml"])
def test_a_damaged_bento_is_built_again(built, damage) -> None:
    next(bento(built).rglob(damage)).write_text("damaged")

    build(built)

    assert yaml.safe_load((bento(built) / "bento.yaml").read_text())["version"] == "1"
    ImageClassifier.load(bento(built) / "src/embedded/bundle")


def test_a_killed_build_leaves_no_half_bento_and_the_next_one_cleans_up(built) -> None:
    built.store(2)
    program = "import sys; from pathlib import Path; from serving.bento.build import build_bento;"
    program += "build_bento(Path(sys.argv[1]), model='digits', version=2, bento_home=Path(sys.argv[2]))"
    home = built.workspace.bentoml
    arguments = [bundle_path(built.workspace, "digits", 2), home]
    process = subprocess.Popen([sys.executable, "-c", program, *arguments], cwd=ROOT, start_new_session=True)
    while not list(home.glob(".building-*/home/bentos")):
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()

    assert not bento(built, 2).exists()
    assert build(built, 2) == "sightline-digits:2"
    assert not list(home.glob(".building-*"))
    assert not (bento(built, 2).parent / "latest").exists()  # it may never become champion


def test_a_bento_without_a_version_is_the_champions(built) -> None:
    build(built)
    home = built.workspace.bentoml

    for version in (1, 7):  # of version 7 there is no Bento
        name_latest("digits", version, bento_home=home)
        assert (bento(built).parent / "latest").read_text() == "1"


def test_an_altered_bundle_is_not_built(registry) -> None:
    registry.store(1)
    (bundle_path(registry.workspace, "digits", 1) / "model.bin").write_bytes(b"altered")

    with pytest.raises(BundleError, match="altered"):
        build(registry)
    assert not registry.workspace.bentoml.exists()
