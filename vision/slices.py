"""Where a classifier fails: accuracy on parts of the images, and which parts are worse by more than luck."""

from __future__ import annotations

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

from vision.errors import DataError
from vision.intervals import MetricEstimate, wilson_interval
from vision.right_answers import IsRight
from vision.slice_properties import image_properties
from vision.slice_search import Parts, Values, count_parts, p_values

SIGNIFICANT = 0.05
MOST_WORST = 10


class Slice(BaseModel):
    """The images that share a property, or two: `conditions` are (column, value) pairs in words.

    `rest` is the accuracy of all other images. `p_value` is of the difference between the two, corrected
    for the number of slices that were looked at; of two properties, also of the difference to the other
    images of either (the largest of the three).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    conditions: tuple[tuple[str, str], ...]
    images: int
    accuracy: MetricEstimate
    rest: float
    p_value: float


class SliceTable(BaseModel):
    """Every slice of one property, and the worst of all that were looked at, pairs of properties too."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    slices: tuple[Slice, ...]
    worst: tuple[Slice, ...]  # below the rest by more than chance explains, widest gap first


def evaluate_slices(is_right: IsRight, table: pd.DataFrame) -> SliceTable:
    """The slices of images (N,), right (`right_images`) or not, and their manifest rows in the same order.

    A slice has 20 images at least. DataError where the two are not of the same images.
    """
    if len(is_right) != len(table):
        raise DataError(
            f"{len(is_right)} answers do not fit {len(table)} rows of the manifest: allowed is one row an"
            " answer; select the rows of the split that was evaluated"
        )
    parts = count_parts(image_properties(table), is_right)
    values = p_values(parts)
    singles = np.flatnonzero(parts.is_single).tolist()
    return SliceTable(
        slices=tuple(_slice(parts, values, part) for part in singles),
        worst=tuple(_slice(parts, values, part) for part in _worst(parts, values)),
    )


def _worst(parts: Parts, values: Values) -> list[int]:
    """Of several parts that are the same images (a format that only one camera writes), the first stands."""
    gap = parts.gap[0]
    bad = np.flatnonzero((values < SIGNIFICANT) & (gap > 0))
    worst: dict[bytes, int] = {}
    for part in bad[np.argsort(-gap[bad], kind="stable")]:
        worst.setdefault(parts.rows(part).tobytes(), int(part))
        if len(worst) == MOST_WORST:
            break
    return list(worst.values())


def _slice(parts: Parts, values: Values, part: int) -> Slice:
    named = dict.fromkeys((parts.first[part], parts.second[part]))
    images, right = int(parts.images[part]), int(parts.right[part])
    others, others_right = parts.wholes[0, part] - images, parts.wholes_right[0, part] - right
    return Slice(
        conditions=tuple(parts.conditions[condition] for condition in named),
        images=images,
        accuracy=wilson_interval(right, images),
        rest=float(others_right / others),
        p_value=float(values[part]),
    )
