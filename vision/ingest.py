"""Listing -> Manifest: every file is read, hashed and decoded once, and measured on the way."""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from PIL import Image

from vision.errors import ImageError
from vision.manifest import COLUMNS, Manifest
from vision.parallel import map_with_progress
from vision.preprocessing import decode_image, read_header
from vision.sources.listing import ListedImage, Listing

UNREADABLE = {
    "format": "",
    "mode": "",
    "width": 0,
    "height": 0,
    "brightness": 0.0,
    "contrast": 0.0,
    "sharpness": 0.0,
    "is_readable": False,
}


def measure_images(listing: Listing, *, max_pixels: int, background: tuple[int, int, int]) -> Manifest:
    """The manifest of all listed images; a file that is no image becomes a row that says why."""
    measure = partial(_measure, listing.root, max_pixels, background)
    rows = map_with_progress(measure, listing.rows, description="Measuring images")
    table = pd.DataFrame(rows, columns=list(COLUMNS)).astype({"is_readable": bool})
    return Manifest(listing.root, table.assign(has_label_conflict=_label_conflicts(table)))


def measured_properties(manifest: Manifest) -> pd.DataFrame:
    """What the contract on images judges: the readable rows, with `aspect_ratio` = long / short side."""
    table = manifest.table[manifest.table["is_readable"]]
    sides = table[["width", "height"]]
    return table.assign(aspect_ratio=sides.max(axis=1) / sides.min(axis=1)).reset_index(drop=True)


def _measure(
    root: Path, max_pixels: int, background: tuple[int, int, int], image: ListedImage
) -> dict[str, Any]:
    row = {"path": image.path, "label": image.label, "split": image.split, "has_label_conflict": False}
    try:
        data = (root / image.path).read_bytes()
    except OSError as error:
        reason = f"the file cannot be read: {error.strerror}"
        return row | UNREADABLE | {"sha256": "", "size_bytes": image.size_bytes, "reason": reason}
    row |= {"sha256": hashlib.sha256(data).hexdigest(), "size_bytes": len(data)}
    try:
        pixels = decode_image(data, max_pixels, background)
    except ImageError as error:
        return row | UNREADABLE | {"reason": str(error)}
    header = read_header(data)
    stored = {"format": header.format, "mode": header.mode, "width": header.width, "height": header.height}
    return row | stored | _measure_pixels(pixels) | {"is_readable": True, "reason": ""}


def _measure_pixels(image: Image.Image) -> dict[str, float]:
    luminance = cv2.cvtColor(np.asarray(image), cv2.COLOR_RGB2GRAY)
    mean, deviation = cv2.meanStdDev(luminance)
    _, edges = cv2.meanStdDev(cv2.Laplacian(luminance, cv2.CV_16S))  # -1020..1020, so 16 bits hold it
    return {
        "brightness": float(mean[0, 0]) / 255,
        "contrast": float(deviation[0, 0]) / 255,
        "sharpness": float(edges[0, 0]) ** 2,
    }


def _label_conflicts(table: pd.DataFrame) -> pd.Series[bool]:
    # Unreadable rows are left out: all empty files are alike, and say nothing about labels.
    labels = table[table["is_readable"]].groupby("sha256")["label"].transform("nunique")
    return (labels > 1).reindex(table.index, fill_value=False).astype(bool)
