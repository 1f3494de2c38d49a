"""A project as a user has one: a folder of images, a run file, a workspace, and the commands, run as commands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
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
# Mean colour of each class; noise of 40 levels on top leaves them easy to tell apart.
CLASSES = {"blue": (60, 60, 190), "green": (60, 190, 60), "red": (190, 60, 60)}
IMAGES_PER_CLASS = 24
RUN_SECONDS = 240


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

    @property
    def environment(self) -> dict[str, str]:
        home = self.workspace.root
        kept = {key: value for key, value in os.environ.items() if key != "MLFLOW_TRACKING_URI"}
        return kept | {
            "SIGHTLINE_HOME": str(home),
            "ZENML_CONFIG_PATH": str(home / "zenml"),
            "BENTOML_HOME": str(home / "bentoml"),
        }

    def run(self, source: str = "training", **environment: str) -> subprocess.CompletedProcess[str]:
        """`zenml pipeline run SOURCE -c FILE`, as it stands in the README."""
        command = [BIN / "zenml", "pipeline", "run", source, "-c", self.config]
        return self._call(command, environment)

    def sightline(self, *arguments: str) -> Any:
        """The document that `sightline ... --json` prints."""
        done = self._call([BIN / "sightline", *arguments, "--json", "--config", self.config], {})
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def ask_zenml(self, expression: str) -> Any:
        """An expression of `client`, a zenml Client in the project's environment; its value is JSON."""
        code = f"import json; from zenml.client import Client; client = Client(); print(json.dumps({expression}))"
        done = self._call([BIN / "python", "-c", code], {"ZENML_LOGGING_VERBOSITY": "ERROR"})
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    def _call(self, command: list[Any], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(part) for part in command],
            cwd=ROOT,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS,
        )


def write_image(path: Path, colour: tuple[int, int, int], seed: int) -> None:
    """Noise around one colour, 12 x 12 pixels."""
    noise = np.random.default_rng(seed).normal(colour, 40, (12, 12, 3))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noise.clip(0, 255).astype(np.uint8)).save(path)


def write_project(folder: Path, **sections: Any) -> Project:
    """Images and a run file whose tree is the small one with `sections` in their places."""
    project = Project(folder)
    for place, (name, colour) in enumerate(CLASSES.items()):
        for number in range(IMAGES_PER_CLASS):
            write_image(project.images / name / f"{number:02d}.png", colour, seed=100 * place + number)
    write_config(project, **sections)
    return project


def write_config(project: Project, **sections: Any) -> None:
    tree = {
        "name": MODEL,
        "data": {"source": "class_folders", "path": str(project.images)},
        "prepare": {"image_size": [12, 12]},
        "tune": {"trials": 0},
        "model": {"name": "residual", "options": {"filters": 4, "stages": 2}},
        "train": {"epochs": 3, "batch_size": 8, "optimizer": "adamw", "learning_rate": 0.01},
        "evaluate": {"resamples": 10, "gallery_images": 2},
        "compress": {"runtimes": ["litert"]},
        "promote": {"min_accuracy": 0.3},
    }
    project.config.write_text(yaml.safe_dump({"parameters": {"config": tree | sections}}))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return write_project(tmp_path)
