"""A tiny model in a bundle, some images of every kind, and an engine without processes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.serving.conftest import make_classifier
from vision.batch.engines import ENGINES
from vision.batch.plan import BatchModel, make_plan
from vision.batch.run import predict_plan
from vision.batch.summary import BatchSummary
from vision.batch_config import BatchConfig
from vision.uncertainty.rules import SetRule, Uncertainty

RULES = Uncertainty(
    sets=SetRule(method="aps", coverage=0.9, limits=(0.6,)), abstain_below=0.45, unusual_above=-3.4
)
Predict = Callable[..., BatchSummary]


def write_images(folder: Path, count: int) -> list[Path]:
    """PNG files of noise, each another."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number:05d}.png" for number in range(count)]
    for number, path in enumerate(paths):
        pixels = np.random.default_rng(number).integers(0, 256, (10, 12, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
    return paths


def save_model(folder: Path, seed: int = 1, **options: object) -> BatchModel:
    """Version `seed` of a model with that seed."""
    digest = make_classifier(seed, **options).save(folder)  # type: ignore[arg-type]
    return BatchModel(folder=str(folder), name="digits", version=seed, digest=digest)


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> BatchModel:
    return save_model(tmp_path_factory.mktemp("model") / "bundle", uncertainty=RULES)


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """Seven, in two folders."""
    return write_images(tmp_path / "photos", 4) + write_images(tmp_path / "photos" / "more", 3)


@pytest.fixture
def predict(tmp_path: Path, model: BatchModel, monkeypatch: pytest.MonkeyPatch) -> Predict:
    """Predicts paths into tmp_path/out, three images a part, in this process."""
    monkeypatch.setitem(ENGINES, "processes", lambda work, parts, config: map(work, parts))
    # Plots take half a second; test_summary.py draws them.
    monkeypatch.setattr("vision.batch.run.batch_page", lambda summary: f"a page of {summary.images} images")

    def run(*paths: object, model: BatchModel = model, **options: object) -> BatchSummary:
        given = {"output": str(tmp_path / "out"), "part_images": 3} | options
        config = BatchConfig(paths=tuple(map(str, paths)), **given)  # type: ignore[arg-type]
        return predict_plan(make_plan(config, model), config)

    return run
