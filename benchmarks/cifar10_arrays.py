"""CIFAR-10 as arrays, for benchmarks that train outside the pipeline."""

from __future__ import annotations

import zipfile

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.datasets import DATA
from vision.prepared import LabelledImages


def read_cifar10(split: str, *, seed: int = 1) -> LabelledImages:
    """The images of "train" (50,000) or "test" (10,000) in an order that the seed decides."""
    path = DATA / "cifar10.zip"
    if not path.exists():
        raise SystemExit(f"{path} is not there: nothing to measure")
    with zipfile.ZipFile(path) as archive:
        names = sorted(name for name in archive.namelist() if name.startswith(split) and name.endswith("jpg"))
        images = np.stack([_decoded(archive.read(name)) for name in names])
    classes = sorted({name.split("/")[1] for name in names})
    labels = np.array([classes.index(name.split("/")[1]) for name in names])
    order = np.random.default_rng(seed).permutation(len(names))
    return LabelledImages(images[order], labels[order])


def divided(data: LabelledImages, count: int) -> tuple[LabelledImages, LabelledImages]:
    """The first `count` images, and the rest."""
    first, rest = slice(0, count), slice(count, None)
    return (
        LabelledImages(data.images[first], data.labels[first]),
        LabelledImages(data.images[rest], data.labels[rest]),
    )


def _decoded(file: bytes) -> NDArray[np.uint8]:
    return np.asarray(cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_COLOR_RGB), np.uint8)
