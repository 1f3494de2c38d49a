"""What the service knows of one image that it answered."""

from __future__ import annotations

from dataclasses import dataclass

from serving.versions.champion import Served
from vision.uncertainty.rules import Judgement


@dataclass(frozen=True)
class Classified:
    """One image's answer, whole."""

    id: str  # of the prediction: feedback names it
    served: Served
    sha256: str  # of the encoded image
    judgement: Judgement  # of N = 1 image
    names: list[str]  # its class, or the labels present, most probable first
    seconds: dict[str, float]  # decode, infer
    cached: bool  # the answer was known: nothing was decoded or inferred
