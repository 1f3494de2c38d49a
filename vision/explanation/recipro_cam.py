"""ReciproCAM (Byun & Lee 2022, arXiv 2209.14074): hide all of the feature map but one place, ask the head.

Needs no gradients, so it explains compiled and int8 models by the very feature maps that they serve with;
the model runs once an image and the head, which is small, once a place.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vision.explanation.log_odds import log_odds
from vision.explanation.overlays import enlarge
from vision.runtimes import SplitModel
from vision.task import Task

# What is left at a place and around it: the paper's Gaussian of 3 x 3, as in the authors' code.
GAUSSIAN = np.outer((1, 2, 1), (1, 2, 1)) / 16
# Places a side: a finer map is asked in blocks of cells. 16 x 16 are about as many as the eye tells apart.
MAX_PLACES = 16
# Numbers in the masked maps of one call of the head: 64 MB.
MAX_NUMBERS = 2**24


def recipro_cam(
    split: SplitModel,
    images: NDArray[np.uint8],
    class_indices: NDArray[np.int64],
    *,
    task: Task = "multi_class",
) -> NDArray[np.float32]:
    """Maps (N, H, W), float32: the class's log-odds of each place alone, less those of an empty map.

    The paper has probabilities, less the smallest of the map: in the same order, but then something always
    speaks for the class. Against the empty map, what speaks against it is negative.
    """
    features = split.features(images)
    masks = _masks(*features.shape[1:3])
    maps = []
    for feature_map, index in zip(features, class_indices, strict=True):
        scores = log_odds(_ask(split, feature_map, masks), np.full(len(masks), index), task)
        rows, columns = (min(side, MAX_PLACES) for side in feature_map.shape[:2])
        maps.append(enlarge((scores[1:] - scores[0]).reshape(rows, columns), images.shape[1:3]))
    return np.stack(maps)


def _ask(
    split: SplitModel, feature_map: NDArray[np.float32], masks: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Logits (P, K) of the map (h, w, C) behind each mask (P, h, w)."""
    batch = max(1, MAX_NUMBERS // feature_map.size)
    starts = range(0, len(masks), batch)
    return np.concatenate(
        [split.head(masks[start : start + batch, ..., None] * feature_map) for start in starts]
    )


def _masks(height: int, width: int) -> NDArray[np.float32]:
    """(1 + places, height, width), float32: first the empty mask, then one a place, row by row."""
    rows, columns = min(height, MAX_PLACES), min(width, MAX_PLACES)
    padded = np.zeros((rows, columns, rows + 2, columns + 2), np.float32)
    for row, column in np.ndindex(rows, columns):
        padded[row, column, row : row + 3, column : column + 3] = GAUSSIAN
    places = padded[:, :, 1:-1, 1:-1].reshape(-1, rows, columns)
    # Which place each cell of the map belongs to.
    down, across = np.arange(height) * rows // height, np.arange(width) * columns // width
    return np.concatenate([np.zeros((1, height, width), np.float32), places[:, down][:, :, across]])
