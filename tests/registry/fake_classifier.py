"""A classifier of red, green and blue by the mean colour: numpy only, so these tests need no TensorFlow."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from registry.model_version import Lineage
from vision.classifier import ImageClassifier
from vision.intervals import MetricEstimate
from vision.preprocessing import Preprocessing
from vision.runtimes import RUNTIMES, Logits

NAME = "fake"


@dataclass(frozen=True)
class FakeRuntime:
    """Logits are the mean of each channel, times `scale`."""

    scale: float = 0.01
    name: str = NAME
    precision: str = "float32"

    def logits(self, images: NDArray[np.uint8]) -> Logits:
        return np.asarray(images.mean(axis=(1, 2)) * self.scale, np.float32)

    def save(self, folder: Path) -> None:
        (folder / "fake.json").write_text(json.dumps({"scale": self.scale}))


def load(folder: Path, precision: str) -> FakeRuntime:
    return FakeRuntime(**json.loads((folder / "fake.json").read_text()), precision=precision)


def install() -> None:
    """For a process that a test starts; in the test's own process the fixture does it."""
    RUNTIMES[NAME] = load


def make_classifier(scale: float = 0.01) -> ImageClassifier:
    return ImageClassifier(FakeRuntime(scale), Preprocessing(image_size=(8, 8)), ("red", "green", "blue"))


def make_samples() -> dict[str, bytes]:
    buffer = io.BytesIO()
    Image.new("RGB", (10, 12), (250, 10, 10)).save(buffer, "PNG")
    return {"red.png": buffer.getvalue()}


def make_lineage(digest: str) -> Lineage:
    return Lineage(
        data_revision="d" * 64, config_digest="c" * 64, git_commit="abc123", classifier_digest=digest
    )


METRICS = {"accuracy": MetricEstimate(value=0.9, low=0.85, high=0.94)}
