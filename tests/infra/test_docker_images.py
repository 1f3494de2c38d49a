"""The images' recipes: rules, pins, users, and that what they copy is there. None was built here."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from docker.utils.build import exclude_paths

from serving.bento.packing import ENHANCEMENT_LIBRARY, LIBRARIES, RUNTIME_LIBRARIES, pinned_requirements
from tests.infra.docker_files import DOCKERFILES, FOLDER, ROOT, exec_form, instructions, last, services
from vision.preprocessing import Preprocessing

PIN = re.compile(r"^([a-z0-9._-]+)==([^ ]+)", flags=re.MULTILINE)


@pytest.fixture(params=DOCKERFILES)
def dockerfile(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def pins(path: Path) -> set[tuple[str, str]]:
    """Names and versions; a package has two where Pythons 3.11 and 3.12 take different ones."""
    return set(PIN.findall(path.read_text()))


def test_hadolint_finds_nothing(dockerfile: str) -> None:
    program = Path(sys.executable).with_name("hadolint")

    done = subprocess.run([program, "--no-color", FOLDER / dockerfile], capture_output=True, text=True)

    assert (done.stdout, done.returncode) == ("", 0)


def test_image_has_stages_of_one_pinned_base(dockerfile: str) -> None:
    froms = [argument.split()[0] for name, argument in instructions(dockerfile) if name == "FROM"]

    assert froms == ["${PYTHON_IMAGE}"] * 2
    assert re.fullmatch(r"PYTHON_IMAGE=python:3\.11\.\d+-slim-\w+", instructions(dockerfile)[0][1])


def test_image_runs_without_root_and_gets_signals(dockerfile: str) -> None:
    assert last(dockerfile, "USER") == "1000:1000"
    assert exec_form(last(dockerfile, "ENTRYPOINT"))[0] == "/bin/sh"
    assert exec_form(last(dockerfile, "CMD"))
    assert instructions(dockerfile).index(("USER", "1000:1000")) > instructions(dockerfile).index(
        next(each for each in instructions(dockerfile) if "--from=build" in each[1])
    )


def test_version_is_the_projects(dockerfile: str) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

    assert last(dockerfile, "LABEL").endswith(f'image.version="{version}"')
    image = "sightline-serving" if "serving" in dockerfile else "sightline"
    assert f"{image}:{version}" in {service["image"] for service in services().values()}


def test_builder_gets_what_is_copied_and_nothing_private(dockerfile: str, tmp_path: Path) -> None:
    wanted = {"serving/service.py", "configs/x.yaml", "infra/docker/entrypoint.sh", "infra/setup.sh"}
    wanted |= {source for source in _copied(dockerfile) if (ROOT / source).is_file()}
    private = {
        ".git/config",
        ".venv/pyvenv.cfg",
        "workspace/mlflow.db",
        "tests/x.py",
        "serving/__pycache__/x.pyc",
    }
    private |= {"infra/docker/.env", "infra/docker/secrets/redis_url", "infra/docker/secrets.Xy12/redis_url"}
    for name in wanted | private:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    sent = exclude_paths(str(tmp_path), (ROOT / ".dockerignore").read_text().splitlines())

    assert {name for name in sent if (tmp_path / name).is_file()} == wanted


def test_copied_files_are_there(dockerfile: str) -> None:
    assert [source for source in _copied(dockerfile) if not (ROOT / source).exists()] == []


def _copied(dockerfile: str) -> list[str]:
    arguments = [argument.split() for name, argument in instructions(dockerfile) if name == "COPY"]
    return [source for words in arguments if "--from=build" not in words for source in words[:-1]]


@pytest.mark.parametrize("runtime", RUNTIME_LIBRARIES)
def test_serving_lock_has_what_a_bento_has(runtime: str) -> None:
    preprocessing = Preprocessing.model_validate({"image_size": (8, 8), "enhance": {"denoise": 3}})

    needed = pinned_requirements({"runtime": runtime, "preprocessing": preprocessing.model_dump()})

    locked = {f"{name}=={version}" for name, version in pins(FOLDER / "serving-requirements.lock")}
    assert set(needed) <= locked


def test_serving_lock_has_the_versions_of_the_other_lock_and_no_tensorflow() -> None:
    lock = pins(FOLDER / "serving-requirements.lock")

    assert lock <= pins(ROOT / "requirements.lock")
    names = {name for name, _ in lock}
    assert {"tensorflow", "keras", "mlflow", "zenml"}.isdisjoint(names)
    assert "bentoml" in names


def test_serving_requirements_are_the_bentos() -> None:
    lines = (FOLDER / "serving-requirements.in").read_text().splitlines()

    named = {line for line in lines if line and not line.startswith("#")}
    assert named == {*LIBRARIES, *RUNTIME_LIBRARIES.values(), ENHANCEMENT_LIBRARY, "bentoml"}


def test_every_package_is_checked_by_its_hash() -> None:
    text = (FOLDER / "serving-requirements.lock").read_text()

    assert all("--hash=sha256:" in part for part in re.split(PIN, text)[3::3])
    assert "--require-hashes" in (FOLDER / "serving.Dockerfile").read_text()
