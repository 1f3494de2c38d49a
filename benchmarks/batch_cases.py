"""What the batch benchmark predicts: many small files, and photos; and the networks that do."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from PIL import Image

from benchmarks.datasets import DATA
from models import ARCHITECTURES
from vision.batch.plan import BatchModel
from vision.classifier import ImageClassifier
from vision.exporting.converters import export_saved_model, to_litert
from vision.preprocessing import Preprocessing
from vision.uncertainty.rules import SetRule, Uncertainty


@dataclass(frozen=True)
class Case:
    """Images in a folder, and a network of random weights: time does not depend on them."""

    name: str
    folder: Path
    model: BatchModel


def make_cases(folder: Path, small: int, photos: int) -> Iterator[Case]:
    """Of that many images each; SystemExit where the data is not here."""
    if not (DATA / "cifar10.zip").is_file() or not (DATA / "grocery").is_dir():
        raise SystemExit(f"{DATA} has no cifar10.zip or no grocery: nothing to measure")
    _write_small(folder / "small", small)
    model = _store("residual", 32, 10, folder / "residual", filters=16)
    yield Case(f"{small:,} PNG of CIFAR-10", folder / "small", model)
    _link_photos(folder / "photos", photos)
    model = _store("mobilenet_v2", 224, 81, folder / "mobilenet", alpha=0.35)
    yield Case(f"{photos:,} photos of groceries", folder / "photos", model)


def _write_small(folder: Path, count: int) -> None:
    """PNG files, in folders of a thousand; after the 60,000 different ones copies."""
    with zipfile.ZipFile(DATA / "cifar10.zip") as archive:
        names = [name for name in sorted(archive.namelist()) if name.endswith(".jpg")][:count]
        for number in range(count):
            path = folder / f"{number // 1000:03d}" / f"{number:06d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            if number < len(names):
                with archive.open(names[number]) as file:
                    Image.open(file).save(path)
            else:
                copied = number % len(names)
                path.write_bytes((folder / f"{copied // 1000:03d}" / f"{copied:06d}.png").read_bytes())


def _link_photos(folder: Path, count: int) -> None:
    photos = sorted((DATA / "grocery").rglob("*.jpg"))
    for number in range(count):
        path = folder / f"{number // 1000:03d}" / f"{number:06d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(photos[number % len(photos)])


def _store(architecture: str, side: int, classes: int, folder: Path, **options: Any) -> BatchModel:
    """A bundle in int8 for LiteRT, as most champions are."""
    keras.utils.set_random_seed(1)
    network = ARCHITECTURES[architecture].build((side, side, 3), classes, **options)
    images = np.random.default_rng(1).integers(0, 256, (32, side, side, 3), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as saved:
        runtime = to_litert(export_saved_model(network, Path(saved)), images)
    names = tuple(f"class {number}" for number in range(classes))
    rules = Uncertainty(sets=SetRule(method="aps", coverage=0.9, limits=(0.02,)))
    classifier = ImageClassifier(runtime, Preprocessing(image_size=(side, side)), names, uncertainty=rules)
    return BatchModel(folder=str(folder), name=architecture, version=1, digest=classifier.save(folder))
