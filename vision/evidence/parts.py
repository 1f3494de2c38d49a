"""What the report may show beside the evaluation itself; each part that was not asked for is None."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from vision.cross_validation.scores import CrossValidation
from vision.paired import PairedComparison
from vision.robustness import Robustness
from vision.slices import SliceTable
from vision.uncertainty.evaluation import UncertaintyEvaluation


class Evidence(BaseModel):
    """All of it about one classifier on the same test images."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    slices: SliceTable | None = None
    uncertainty: UncertaintyEvaluation | None = None
    robustness: Robustness | None = None
    cross_validation: CrossValidation | None = None
    champion: PairedComparison | None = None  # this classifier against the champion
    compression: PairedComparison | None = None  # as it serves against as it was trained
