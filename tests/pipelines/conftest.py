"""A project as a user has one: checkout, images, run file, workspace; and the commands, run as commands.

The checkout is a copy. Steps are cached as long as the code stays the same, so a file that somebody edits
during a test would fail it; and ZenML keeps the active stack in `.zen` beside the code, where a test would
put a user's own stack back to `default`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
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
CODE = ("cli", "data_contracts", "infra", "models", "pipelines", "registry", "serving", "steps", "vision")
FILES = ("pyproject.toml", "requirements.lock", "training.py", "zenml_config.yaml")
MODEL = "colours"
# The mean colour of each class; noise of 40 levels on top leaves them easy to tell apart.
CLASSES = {"blue": (60, 60, 190), "green": (60, 190, 60), "red": (190, 60, 60)}
IMAGES_PER_CLASS = 24
EPOCHS = 4
# What pipelines call while they are compiled.
FINGERPRINTS = (
    "pipelines.data_preparation.fingerprint_source",
    "pipelines.data_preparation.fingerprint_contracts",
    "pipelines.training.fingerprint_images",
)
# Steps that look at the world outside their inputs, and so are never taken from the cache.
UNCACHED = {"register", "judge", "build_bento", "try_bento", "promote"}


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
    """One run file with all that belongs to it below `folder`."""

    folder: Path

    @property
    def checkout(self) -> Path:
        return self.folder / "checkout"

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
        """A command of the environment, from the root of the checkout, in this project's workspace."""
        home = self.workspace.root
        kept = {key: value for key, value in os.environ.items() if key != "MLFLOW_TRACKING_URI"}
        places = {
            "SIGHTLINE_HOME": str(home),
            "ZENML_CONFIG_PATH": str(home / "zenml"),
            "BENTOML_HOME": str(home / "bentoml"),
            "PYTHONPATH": str(self.checkout),  # before the repository, which the environment's .pth names
            "ZENML_LOGGING_COLORS_DISABLED": "true",
        }
        return subprocess.run(
            [BIN / command, *arguments],
            cwd=self.checkout,
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
    """A checkout, images, and a run file of the small tree with `sections` in their places."""
    project = Project(folder)
    check_out(project.checkout)
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


def check_out(folder: Path) -> None:
    """The code as it is now, with its bytecode, and the `.zen` that `zenml init` makes at setup."""
    for name in CODE:
        shutil.copytree(ROOT / name, folder / name)
    for name in FILES:
        shutil.copy2(ROOT / name, folder / name)
    (folder / ".zen").mkdir()


@pytest.fixture(scope="session", autouse=True)
def database_in_the_workspace() -> Iterator[None]:
    """What the tests read through Workspace is what the commands wrote."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        yield
