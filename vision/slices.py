"""Where a classifier fails: accuracy on parts of the images, and which parts are worse by more than luck."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from vision.intervals import MetricEstimate


class Slice(BaseModel):
    """The images that share a property, or two: `conditions` are (column, value) pairs in words.

    `rest` is the accuracy of all other images. `p_value` is of the difference between the two, corrected
    for the number of slices that were looked at.
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
