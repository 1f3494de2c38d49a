"""Two models on the same images: which is better, how sure that is, and which images changed sides."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from vision.intervals import MetricEstimate

Verdict = Literal["better", "worse", "too few images to tell"]


class Flip(BaseModel):
    """An image that one of the two has right; `row` is its place among the images."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    row: int
    true: tuple[str, ...]
    before: tuple[str, ...]
    after: tuple[str, ...]


class PairedComparison(BaseModel):
    """`after` against `before`. Differences are after minus before, with their 95 % intervals.

    `verdict` is of accuracy, by McNemar's exact test; `images_needed` to tell a difference of the size
    that was seen, None where none was seen or where it has been told.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    before: str
    after: str
    images: int
    both_right: int
    differences: dict[str, MetricEstimate]  # metric -> after minus before
    only_before_right: int
    only_after_right: int
    p_value: float
    verdict: Verdict
    images_needed: int | None
    flips: tuple[Flip, ...]
