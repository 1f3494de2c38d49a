"""Whether a converted model answers as the original does.

In float32 every image has to come out the same. Fewer bits change answers: a little on images like those of
training, anything on others (an int8 network of digits moved a probability by 0.9 on a golden image, and by
0.03 on average on digits). So there the average over images like those of training is judged.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from vision.classifier import ImageClassifier, Probabilities
from vision.runtimes import Runtime

Judged = Literal["largest", "mean"]


class Tolerance(NamedTuple):
    """How far probabilities may be from the original's: at every image, or on average."""

    judged: Judged
    value: float


# Engines add in other orders: logits agree to 5e-5, and probabilities move less than logits.
FLOAT32 = Tolerance("largest", 1e-3)
# 8 bits of mantissa: each value is off by up to 0.4 %, and a few tens of layers add to that.
BFLOAT16 = Tolerance("mean", 0.02)
# Trained networks lose up to half a point of accuracy in int8, at 0.01 to 0.03; beyond 0.1 every tenth answer
# or so is another: 8 bits do not suit the model.
INT8 = Tolerance("mean", 0.1)
TOLERANCES = {"float32": FLOAT32, "bfloat16": BFLOAT16}


class Parity(BaseModel):
    """Over the same images; an image's difference is that of the probability that differs most.

    `same_answer` is the share of images whose most probable class is the same.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    largest_difference: float
    mean_difference: float
    same_answer: float
    judged: Judged
    tolerance: float

    @property
    def difference(self) -> float:
        """The one that is judged."""
        return self.largest_difference if self.judged == "largest" else self.mean_difference

    @property
    def ok(self) -> bool:
        """Within the tolerance, which what is no number never is."""
        return self.difference <= self.tolerance


def check_parity(reference: ImageClassifier, runtime: Runtime, pixels: NDArray[np.uint8]) -> Parity:
    """The runtime's probabilities, with the reference's calibration, against the reference's own.

    `pixels` (N, H, W, 3), uint8 0..255, N >= 1. The runtime's precision decides the tolerance.
    """
    received = reference.with_runtime(runtime).predict(pixels)
    return compare_answers(reference.predict(pixels), received, precision=runtime.precision)


def compare_answers(expected: Probabilities, received: Probabilities, *, precision: str) -> Parity:
    """The same of probabilities (N, K) that are there already."""
    differences = np.abs(received - expected).max(axis=1)
    judged, tolerance = TOLERANCES.get(precision, INT8)
    return Parity(
        largest_difference=float(differences.max()),
        mean_difference=float(differences.mean()),
        same_answer=float((received.argmax(axis=1) == expected.argmax(axis=1)).mean()),
        judged=judged,
        tolerance=tolerance,
    )
