"""What the pixels of each image are like, and which images cleanvision calls dark, blurry, odd ...

The issue types are cleanvision's own: its classes compute the raw values and the scores, its defaults are
the thresholds. Only what they look at is ours: thumbnails of the prepared images instead of the files, so
nothing is decoded again. Of 4,317 photos 1,470 are blurred this way, 1,468 by the files, 1,463 by both.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pandas as pd
from PIL import Image

from vision.image_array import ImageArray, Pixels
from vision.inspection.thumbnails import ThumbnailSlices
from vision.manifest import ISSUES, MEASURED
from vision.parallel import map_in_processes

# Processes take 1.5 s to start and to import cleanvision, an image 0.7 ms: up to about here they do not pay.
FEWEST_FOR_PROCESSES = 3000
SLICE_SIZE = 512
# Issue -> how cleanvision names the property behind it: of the pixels, and of the size as stored.
PIXEL_ISSUES = ("dark", "light", "low_information", "blurry", "grayscale")
SIZE_ISSUES = ("odd_size", "odd_aspect_ratio")


def measure_images(images: ImageArray) -> pd.DataFrame:
    """One row an image: MEASURED, `perceptual_hash` (uint64) and cleanvision's raw values."""
    small = len(images) <= FEWEST_FOR_PROCESSES
    slices = ThumbnailSlices(images, slice_size=FEWEST_FOR_PROCESSES if small else SLICE_SIZE)
    parts = dict(
        map_in_processes(_measure_slice, slices, description="Inspecting images", sizes=slices.sizes)
    )
    return pd.concat([parts[start] for start in sorted(parts)], ignore_index=True)


def mark_issues(measured: pd.DataFrame, sizes: pd.DataFrame) -> pd.DataFrame:
    """The columns is_dark ... is_odd_aspect_ratio; `sizes` has width and height of the files in pixels."""
    properties = _cleanvision().image_properties
    raw = measured.assign(**_size_values(sizes, properties))
    return pd.DataFrame({ISSUES[issue]: _flags(issue, raw) for issue in (*PIXEL_ISSUES, *SIZE_ISSUES)})


def _measure_slice(item: tuple[int, Pixels]) -> tuple[int, pd.DataFrame]:
    start, thumbnails = item
    return start, pd.DataFrame([_measure(thumbnail) for thumbnail in thumbnails])


def _measure(thumbnail: Pixels) -> dict[str, Any]:
    import imagehash

    luminance = cv2.cvtColor(thumbnail, cv2.COLOR_RGB2GRAY)
    # cleanvision judges a gray image by one channel, as it is stored; here gray images have three.
    image = Image.fromarray(luminance if _is_gray(thumbnail) else thumbnail)
    row: dict[str, Any] = {}
    # `light` needs the same raw values as `dark`, which are most of the work.
    for issue in ("dark", "low_information", "blurry", "grayscale"):
        row |= _cleanvision().image_properties[issue].calculate(image)
    bits = imagehash.phash(image).hash
    hashed = {"perceptual_hash": np.packbits(bits).view(np.uint64)[0]}
    # Ours come last: cleanvision's `brightness` is another mean and its `entropy` one over three channels.
    return (
        {f"cleanvision_{name}": value for name, value in row.items()} | hashed | _measure_luminance(luminance)
    )


def _measure_luminance(luminance: Pixels) -> dict[str, float]:
    mean, deviation = cv2.meanStdDev(luminance)
    _, edges = cv2.meanStdDev(cv2.Laplacian(luminance, cv2.CV_16S))  # -1020..1020, so 16 bits hold it
    values = mean[0, 0] / 255, deviation[0, 0] / 255, edges[0, 0] ** 2, Image.fromarray(luminance).entropy()
    return dict(zip(MEASURED, map(float, values), strict=True))


def _is_gray(thumbnail: Pixels) -> bool:
    red, green, blue = np.moveaxis(thumbnail, -1, 0)
    return bool((red == green).all() and (green == blue).all())


def _size_values(sizes: pd.DataFrame, properties: Mapping[str, Any]) -> dict[str, list[float]]:
    # calculate() asks an image for its size and for nothing else.
    shapes = [SimpleNamespace(size=size) for size in zip(sizes["width"], sizes["height"], strict=True)]
    columns: dict[str, list[float]] = {}
    for issue in SIZE_ISSUES:
        values = [properties[issue].calculate(shape) for shape in shapes]
        columns |= {f"cleanvision_{name}": [value[name] for value in values] for name in values[0]}
    return columns


def _flags(issue: str, raw: pd.DataFrame) -> Any:
    library = _cleanvision()
    image_property, options = library.image_properties[issue], library.params[issue]
    columns = image_property.score_columns
    values = raw[[f"cleanvision_{column}" for column in columns]].set_axis(columns, axis=1)
    scores = image_property.get_scores(raw_scores=values, issue_type=issue, **options)
    flags = image_property.mark_issue(scores=scores, issue_type=issue, threshold=options.get("threshold"))
    return flags.iloc[:, 0].to_numpy(bool)


@cache
def _cleanvision() -> Any:
    from cleanvision.issue_managers.image_property_issue_manager import (  # 0.4 s
        ImagePropertyIssueManager,
    )

    return ImagePropertyIssueManager()
