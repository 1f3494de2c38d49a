"""What the gate looks at, as values: a candidate's own figures, and how it compares with the champion."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict

from vision.intervals import LEVEL, MetricEstimate
from vision.mcnemar import POWER, mcnemar

CostName = Literal["latency", "size", "memory"]


class Share(BaseModel):
    """Images that share a property, and how many of them the candidate has right."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    images: int
    right: int


class Figures(BaseModel):
    """The candidate by itself, on `images` test images: each metric, and each slice of 20 images or more."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    images: int
    metrics: dict[str, float]
    slices: tuple[Share, ...] = ()


class PairedCounts(BaseModel):
    """Of `images` (1 or more), those that only the champion has right (`lost`), and only the candidate."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    images: int
    lost: int
    gained: int

    @property
    def change(self) -> float:
        """Candidate less champion, -1..1."""
        return (self.gained - self.lost) / self.images

    @property
    def p_value(self) -> float:
        """McNemar's exact test of no change."""
        return mcnemar(self.lost, self.gained)

    @property
    def estimate(self) -> MetricEstimate:
        """The change with its 95 % interval, by Agresti and Min (2005, Statistics in Medicine 24:729).

        Their "Wald + 2" adds half an image to each of the four counts. The bootstrap would give two models
        that agree on 20 images an interval from 0 to 0, and the gate a proof out of nothing.
        """
        from scipy.stats import norm

        images, change = self.images + 2, self.gained - self.lost
        deviation = math.sqrt(self.lost + self.gained + 1 - change**2 / images) / images
        reach = float(norm.ppf((1 + LEVEL) / 2)) * deviation
        low, high = change / images - reach, change / images + reach
        return MetricEstimate(value=self.change, low=max(-1.0, low), high=min(1.0, high))

    def images_needed(self, margin: float) -> int | None:
        """Images that would show a change like this to be within the margin (0..1), with power 0.8.

        None where no number would: the change is beyond it. The normal approximation, as in
        `vision.mcnemar.images_needed`, of the adjusted counts.
        """
        from scipy.stats import norm

        if self.change <= -margin:
            return None
        reach = float(norm.ppf((1 + LEVEL) / 2)) + float(norm.ppf(POWER))
        variance = (self.lost + self.gained + 1) / (self.images + 2) - self.change**2
        return max(self.images + 1, math.ceil(variance * (reach / (margin + self.change)) ** 2))


class Cost(BaseModel):
    """What one answer, or the model itself, takes; both were measured side by side."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    candidate: float
    champion: float
    unit: str


class Comparison(BaseModel):
    """The candidate against the champion `version` on the same test images.

    `metrics`: candidate less champion, with 95 % intervals by paired bootstrap; `classes`: of the images that
    have the class, `lost` and `gained` are those to which it was given. `costs`: those that a rule asks for.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int
    all_images: PairedCounts
    metrics: dict[str, MetricEstimate] = {}
    classes: tuple[PairedCounts, ...] = ()
    slices: tuple[PairedCounts, ...] = ()
    costs: dict[CostName, Cost] = {}
