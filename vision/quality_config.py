"""What is looked for in the images, and what is done about each kind of issue."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Policy = Literal["ignore", "warn", "quarantine", "stop"]


class QualityPolicies(BaseModel):
    """A policy for each kind of issue. Quarantined images are left out and listed; nothing is deleted.

    `label_issues: quarantine` leaves out training images only: a test set without the images that are
    hard to tell would flatter the model.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    label_conflicts: Policy = Field("quarantine", description="the same bytes under different labels")
    exact_duplicates: Policy = Field("warn", description="copies: all but one of a set")
    near_duplicates: Policy = Field("warn", description="almost the same picture: all but one of a cluster")
    label_issues: Policy = Field("warn", description="labels that cleanlab doubts")
    dark: Policy = "warn"
    light: Policy = "warn"
    low_information: Policy = "warn"
    blurry: Policy = "warn"
    grayscale: Policy = "ignore"
    odd_size: Policy = "warn"
    odd_aspect_ratio: Policy = "warn"


class QualityConfig(BaseModel):
    """Inspection of the images before anything is learned from them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    policies: QualityPolicies = QualityPolicies()
    embedding: Literal["descriptor", "mobilenet_v2"] = Field(
        "descriptor",
        description="features behind label issues: SIFT and colour, or a network with `weights`",
    )
    weights: str | None = Field(
        None, description='mobilenet_v2: "imagenet" (downloaded) or a .weights.h5 file (include_top=False)'
    )
    alpha: float = Field(1.0, gt=0, description="width of mobilenet_v2, as its weights have it")
    folds: int = Field(5, ge=2, le=20, description="out-of-fold probabilities behind label issues")
