"""Occlusion sensitivity (Zeiler & Fergus 2014, section 4.2): hide a patch, see how far the class falls.

Needs answers only, no gradients, so it explains compiled and quantised models as they are served.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from vision.explanation.log_odds import log_odds
from vision.explanation.overlays import enlarge
from vision.task import Task

# Cells a side of the grid: about 4 pixels each, no fewer than 4 and no more than 8 of them, so that an
# image costs 16 to 64 answers.
CELL_PIXELS = 4
MIN_CELLS, MAX_CELLS = 4, 8

Predict = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


def occlusion_sensitivity(
    logits: Predict,
    images: NDArray[np.uint8],
    class_indices: NDArray[np.int64],
    *,
    task: Task = "multi_class",
) -> NDArray[np.float32]:
    """Maps (N, H, W), float32: the fall of the class's log-odds when the patch there is hidden."""
    unhidden = log_odds(logits(images), class_indices, task)
    maps = []
    for image, index, whole in zip(images, class_indices, unhidden, strict=True):
        rows, columns = (_cells(side) for side in image.shape[:2])
        answers = logits(_hide_each(image, rows, columns))
        falls = whole - log_odds(answers, np.full(len(answers), index), task)
        maps.append(enlarge(falls.reshape(len(rows), len(columns)), image.shape[:2]))
    return np.stack(maps)


def _cells(side: int) -> list[tuple[int, int]]:
    """Start and end of each cell along one side."""
    count = min(side, max(MIN_CELLS, min(MAX_CELLS, side // CELL_PIXELS)))
    edges = np.linspace(0, side, count + 1).round().astype(int)
    return [(int(start), int(end)) for start, end in pairwise(edges)]


def _hide_each(
    image: NDArray[np.uint8], rows: list[tuple[int, int]], columns: list[tuple[int, int]]
) -> NDArray[np.uint8]:
    """Copies of the image, row by row, each with one cell and half of its neighbours in its mean colour.

    Patches overlap, because a cue that lies across two cells would otherwise survive in one of them.
    """
    copies = np.repeat(image[None], len(rows) * len(columns), axis=0)
    colour = image.mean(axis=(0, 1)).round().astype(np.uint8)
    cells = [(row, column) for row in rows for column in columns]
    for copy, ((top, bottom), (left, right)) in zip(copies, cells, strict=True):
        down, across = (bottom - top) // 2, (right - left) // 2
        copy[max(0, top - down) : bottom + down, max(0, left - across) : right + across] = colour
    return copies
