"""A project as a user has one: images, a run file, a workspace, and the commands, run as commands."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from registry.workspace import Workspace

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
MODEL = "colours"
# The mean colour of each class; noise of 40 levels on top leaves them easy to tell apart.
CLASSES = {"blue": (60, 60, 190), "green": (60, 190, 60), "red": (190, 60, 60)}
IMAGES_PER_CLASS = 24
EPOCHS = 4
# Steps that look at the world outside their inputs, and so are never taken from the cache.
UNCACHED = {"register", "promote", "build_bento"}


@dataclass(frozen=True)
class Run:
    """What `zenml pipeline run` gave: status, its log on standard error, and the seconds it took."""

    status: int
    log: str
    seconds: float

    @property
    def cached(self) -> set[str]:
        return set(re.findall(r"Using cached version of step `(\w+)`", self.log))

    @property
    def executed(self) -> set[str]:
        return set(re.findall(r"Step `(\w+)` has finished", self.log))


@dataclass(frozen=True)
class Project:
    """One run file with its images and its workspace, all below `folder`."""

    folder: Path

    @property
    def images(self) -> Path:
        return self.folder / "images"

    @property
    def config(self) -> Path:
        return self.folder / "run.yaml"

    @property
    def workspace(self) -> Workspace:
        return Workspace(self.folder / "home")

    def run(self, source: str = "training", **environment: str) -> Run:
        """`zenml pipeline run SOURCE -c FILE`, as the README has it."""
        started = time.monotonic()
        done = self.call("zenml", "pipeline", "run", source, "-c", str(self.config), **environment)
        assert not done.stdout
        return Run(done.returncode, done.stderr, time.monotonic() - started)

    def sightline(self, *arguments: str) -> Any:
        """The document that `sightline ... --json` prints."""
        done = self.call("sightline", *arguments, "--json", "--config", str(self.config))
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def bentos(self) -> list[str]:
        """The tags of the Bentos that BentoML can read."""
        listed = self.call("bentoml", "list", "--output", "json")
        assert listed.returncode == 0, listed.stderr
        return [str(bento["tag"]) for bento in json.loads(listed.stdout)]

    def call(self, command: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """A command of the environment, from the root of the repository, in this project's workspace."""
        home = self.workspace.root
        kept = {key: value for key, value in os.environ.items() if key != "MLFLOW_TRACKING_URI"}
        places = {
            "SIGHTLINE_HOME": str(home),
            "ZENML_CONFIG_PATH": str(home / "zenml"),
            "BENTOML_HOME": str(home / "bentoml"),
            "ZENML_LOGGING_COLORS_DISABLED": "true",
        }
        return subprocess.run(
            [BIN / command, *arguments],
            cwd=ROOT,
            env=kept | places | environment,
            capture_output=True,
            text=True,
        )


def write_image(path: Path, colour: tuple[int, int, int], seed: int) -> None:
    """Noise around one colour, 12 x 12 pixels."""
    noise = np.random.default_rng(seed).normal(colour, 40, (12, 12, 3))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noise.clip(0, 255).astype(np.uint8)).save(path)


def write_project(folder: Path, **sections: Any) -> Project:
    """Images, and a run file of the small tree with `sections` in their places."""
    project = Project(folder)
    for place, (name, colour) in enumerate(CLASSES.items()):
        for number in range(IMAGES_PER_CLASS):
            write_image(project.images / name / f"{number:02d}.png", colour, seed=100 * place + number)
    tree = {
        "name": MODEL,
        "data": {"source": "class_folders", "path": str(project.images)},
        "prepare": {"image_size": [12, 12]},
        "model": {"name": "residual", "options": {"filters": 4, "stages": 1}},
        "train": {"epochs": EPOCHS, "batch_size": 2, "learning_rate": 0.01},
        "evaluate": {"resamples": 10, "gallery_images": 2},
        "compress": {"runtimes": ["litert"]},
        "promote": {"min_accuracy": 0.3, "max_accuracy_drop": 100},
    }
    project.config.write_text(yaml.safe_dump({"parameters": {"config": tree | sections}}))
    return project


@pytest.fixture(scope="session", autouse=True)
def unchanged_repository() -> Iterator[None]:
    """ZenML keeps the active stack beside the code, and another store's stack is unknown to it.

    Without this, `make test` would put a user's remote stack back to `default`.
    """
    path = ROOT / ".zen" / "config.yaml"
    before = path.read_bytes() if path.exists() else None
    yield
    if before is not None:
        path.write_bytes(before)


@pytest.fixture(scope="session", autouse=True)
def database_in_the_workspace() -> Iterator[None]:
    """What the tests read through Workspace is what the commands wrote."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        yield
