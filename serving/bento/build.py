"""One version as a Bento: the service's code, the bundle and pinned requirements, whole or not at all.

BentoML builds in a store of its own inside the real one's folder, and the finished Bento is moved to its
place: `bentoml build` copies into the real store file by file, and kill -9 would leave half a Bento.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from registry.pointer import ChampionPointer
from serving.bento.packing import copy_code, pinned_requirements
from serving.versions.embedded import BUNDLE, FOLDER, EmbeddedSource
from vision.bundle import bundle_digest, open_bundle, sha256_file, write_atomically
from vision.errors import BundleError, SightlineError
from vision.file_lock import exclusive

UNFINISHED = ".building-"
# In a container the service is alone behind the container's own port.
CONTAINER = [{"name": "BENTOML_DO_NOT_TRACK", "value": "True"}, {"name": "BENTOML_HOST", "value": "0.0.0.0"}]


def build_bento(bundle: Path, *, model: str, version: int, bento_home: Path) -> str:
    """Tag of the Bento that serves the bundle; one that is there already, whole and equal, is kept.

    BundleError where the bundle is altered, SightlineError with BentoML's own words where it fails.
    """
    description = open_bundle(bundle)
    pointer = ChampionPointer(model, version, bundle_digest(bundle))
    home = bento_home.resolve()
    with exclusive(home / ".building.lock"):
        for debris in home.glob(f"{UNFINISHED}*"):  # of a build that was killed: the lock is ours
            shutil.rmtree(debris)
        folder = Path(tempfile.mkdtemp(dir=home, prefix=UNFINISHED))
        try:
            return _build(folder, home, bundle=bundle, pointer=pointer, description=description)
        finally:
            shutil.rmtree(folder)


def bento_name(model: str) -> str:
    """The Bento's name; BentoML knows lower case only."""
    return f"sightline-{model.lower()}"


def name_latest(model: str, version: int, *, bento_home: Path) -> None:
    """`bentoml serve NAME`, without a version, serves that one, if it has a Bento: for a new champion."""
    place = bento_home / "bentos" / bento_name(model)
    if (place / str(version)).is_dir():
        write_atomically(place / "latest", str(version))


def _build(
    folder: Path, home: Path, *, bundle: Path, pointer: ChampionPointer, description: Mapping[str, Any]
) -> str:
    source = folder / "source"
    _stage(source, bundle=bundle, pointer=pointer)
    requirements = pinned_requirements(description)
    labels = {"bundle": pointer.digest, "content": _content(source, requirements)}
    name, version = bento_name(pointer.model), str(pointer.version)
    place = home / "bentos" / name / version
    if not _is_built(place, labels):
        _run_bentoml(folder, name=name, version=version, labels=labels, requirements=requirements)
        _move(folder / "home" / "bentos" / name / version, place, old=folder / "old")
    return f"{name}:{version}"


def _stage(source: Path, *, bundle: Path, pointer: ChampionPointer) -> None:
    """Puts what the Bento carries into the folder."""
    copy_code(source)
    shutil.copytree(bundle, source / FOLDER / BUNDLE)
    EmbeddedSource(source / FOLDER).write_pointer(pointer)


def _content(source: Path, requirements: list[str]) -> str:
    """Digest of all that the Bento is made of: newer code or libraries make another Bento."""
    files = sorted(path for path in source.rglob("*") if path.is_file())
    listed = [f"{path.relative_to(source)} {sha256_file(path)}" for path in files]
    # BentoML's labels take 63 characters.
    return hashlib.sha256("\n".join(listed + requirements).encode()).hexdigest()[:32]


def _is_built(place: Path, labels: dict[str, str]) -> bool:
    try:
        found = yaml.safe_load((place / "bento.yaml").read_text())["labels"]
        open_bundle(place / "src" / FOLDER / BUNDLE)
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError, BundleError):
        return False
    return bool(found == labels)


def _run_bentoml(
    folder: Path, *, name: str, version: str, labels: dict[str, str], requirements: list[str]
) -> None:
    """Builds in a process of its own, which proves that the packed code can be imported without ours."""
    options = {
        "service": "serving.service:Sightline",
        "name": name,
        "labels": labels,
        "include": ["**/*"],
        "envs": CONTAINER,
        "python": {"packages": requirements, "lock_packages": False},
        "docker": {"python_version": f"{sys.version_info.major}.{sys.version_info.minor}"},
    }
    source = folder / "source"
    bentofile = folder / "bentofile.yaml"
    bentofile.write_text(yaml.safe_dump(options))
    command = [sys.executable, "-m", "bentoml", "build", "--version", version, "-f", str(bentofile), "."]
    environment = os.environ | {"BENTOML_HOME": str(folder / "home"), "BENTOML_DO_NOT_TRACK": "True"}
    environment.pop("PYTHONPATH", None)
    (folder / "home").mkdir()
    done = subprocess.run(command, cwd=source, env=environment, capture_output=True, text=True)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise SightlineError(f"bentoml build of {name}:{version} failed: {' '.join(said)[:500]}")


def _move(built: Path, place: Path, *, old: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.exists():
        place.rename(old)
    built.rename(place)
