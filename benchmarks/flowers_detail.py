"""How many pixels the photos of flowers hold: their files have 128 x 128, which were fewer once.

A photo is shrunk and enlarged again. What was enlarged from a side loses next to nothing at that side, and
its detail below it; what was not enlarged loses some at every side.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import cv2

from benchmarks.datasets import DATA
from benchmarks.record import table, write_section
from vision.image_array import Pixels

SIDE = 128
SIDES = (16, 24, 32, 40, 48, 64)
PHOTOS = 500
JPEG_QUALITY = 75  # of the groceries, and of their copies here


def main() -> None:
    kinds: dict[str, Callable[[Path], Pixels]] = {"flowers": _as_it_is, "grocery": _as_small}
    rows = [(name, *_restored(_photos(name, read))) for name, read in kinds.items()]
    write_section("flowers-detail", table(("photos", *(f"{side} x {side}" for side in SIDES)), rows))


def _restored(photos: Iterator[Pixels]) -> list[str]:
    """For each of SIDES the median PSNR in dB of photos that were as small in between."""
    noise = [[cv2.PSNR(photo, _through(photo, side)) for side in SIDES] for photo in photos]
    return [f"{median(column):.1f}" for column in zip(*noise, strict=True)]


def _through(photo: Pixels, side: int) -> Pixels:
    small = cv2.resize(photo, (side, side), interpolation=cv2.INTER_AREA)
    large: Pixels = cv2.resize(small, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    return large


def _photos(name: str, read: Callable[[Path], Pixels]) -> Iterator[Pixels]:
    """Some of the set, drawn from a seed, (128, 128, 3) uint8."""
    paths = sorted((DATA / name).rglob("*.jpg"))
    if not paths:
        raise SystemExit(f"{DATA / name} has no photos: nothing to measure")
    return map(read, random.Random(1).sample(paths, PHOTOS))


def _as_it_is(path: Path) -> Pixels:
    return _decoded(cv2.imread(str(path)), path)


def _as_small(path: Path) -> Pixels:
    """Shrunk to the flowers' size, and a JPEG again."""
    small = cv2.resize(_as_it_is(path), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    _, encoded = cv2.imencode(".jpg", small, (cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY))
    return _decoded(cv2.imdecode(encoded, cv2.IMREAD_COLOR), path)


def _decoded(image: Pixels | None, path: Path) -> Pixels:
    if image is None:
        raise SystemExit(f"{path} cannot be decoded")
    return image
