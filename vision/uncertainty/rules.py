"""The rules of doubt that a bundle carries, and what they say of an image.

The service imports it: it needs numpy and pydantic alone. What MAPIE computed from validation images is in
the rules as numbers; here they are applied, without a random draw, so that an image always gets one answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from vision.task import Present, Probabilities, Task

SetMethod = Literal["lac", "aps", "raps"]
# Above every probability and every score: where a level cannot be promised. JSON has no infinity.
UNREACHABLE = 1e9
# MAPIE's, within which probabilities are equal (mapie._machine_precision.EPSILON).
TOLERANCE = 1e-8
# Of sums that should be equal, in double precision.
ROUNDING = 1e-12


class SetRule(BaseModel):
    """Prediction sets that hold the image's class in a share `coverage` of cases.

    - lac (Sadinle et al. 2019): every class whose probability is at least 1 - limit. The smallest sets on
      average. A set may be empty: the image is unlike each of the classes at this level.
    - aps (Romano et al. 2020): the likeliest classes, as long as the probabilities before a class and half of
      its own sum up to the limit at most. Never empty; larger for hard images.
    - raps (Angelopoulos et al. 2021): aps, where each class after the first `free_classes` adds `penalty`
      to the sum: without the long tails of many classes.

    The papers draw how much of the last class counts; a half for all makes the promise as exact, because any
    score will do that is one for fitting and applying, and an image always gets one answer.

    `limits` is one number, or one a class where the coverage is promised for each class (Vovk 2012). With
    UNREACHABLE the class is in every set: the images were too few to promise anything less.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: SetMethod
    coverage: float
    limits: tuple[float, ...]
    penalty: float = 0.0
    free_classes: float = 0.0

    def apply(self, probabilities: Probabilities) -> Present:
        """(N, K): whether each class is in the image's set; of equally probable classes all are, or none.

        Equal to MAPIE's, for aps to include_last_label="randomized" with every draw 1/2, but for two things:
        the likeliest class is always in, and so is one below TOLERANCE where the promise needs it.
        """
        exact = in_double(probabilities)
        limits = np.array(self.limits)
        if self.method == "lac":
            within: Present = 1 - exact <= limits + TOLERANCE
            return within
        falling = np.sort(exact, axis=1)[:, ::-1]
        sums = falling.cumsum(axis=1) - falling / 2
        if self.penalty:
            sums += self.penalty * np.maximum(0, np.arange(1, sums.shape[1] + 1) - self.free_classes)
        limits += ROUNDING
        count = np.array([row.searchsorted(limits, side="right") for row in sums], np.intp)
        last = np.maximum(count.reshape(len(exact), len(limits)) - 1, 0)
        included: Present = exact >= falling[np.arange(len(exact))[:, None], last] - TOLERANCE
        return included


class Uncertainty(BaseModel):
    """Every rule of one classifier; by default no rule: it answers always and finds nothing unusual.

    `abstain_below`: where the likeliest class is less probable, a person is to look. Answers above it are
    wrong in at most `target_error` of cases (1: no promise). A multi-label classifier never abstains.
    `unusual_above`: an image of greater energy, at `energy_temperature`, is unlike the validation images.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sets: SetRule | None = None
    target_error: float = 1.0
    abstain_below: float = 0.0
    unusual_above: float = UNREACHABLE
    energy_temperature: float = 1.0


@dataclass(frozen=True)
class Judgement:
    """What a classifier says of N images, and how far it can be trusted in each.

    `sets` are the prediction sets; the likeliest class alone where there is no rule for them; of a
    multi-label classifier the labels given.
    """

    probabilities: NDArray[np.float32]  # (N, K), calibrated
    sets: Present  # (N, K)
    abstains: NDArray[np.bool_]  # (N,): a person is to look
    energy: NDArray[np.float64]  # (N,): greater where the image is less like the training images
    unusual: NDArray[np.bool_]  # (N,)


def energy(logits: NDArray[np.floating[Any]], task: Task, *, temperature: float = 1.0) -> NDArray[np.float64]:
    """Energy (N,) of uncalibrated logits (N, K): the greater, the less the image is like those trained on.

    -T logsumexp(logits / T), Liu et al. 2020 (Energy-based Out-of-distribution Detection), equation 4.
    Towards T = 0 it is minus the greatest logit (Hendrycks et al. 2022, Scaling Out-of-Distribution
    Detection). Multi-label: minus the sum over labels of log(1 + exp(logit)), JointEnergy of Wang et al. 2021
    (Can multi-label classification networks know what they don't know?), whatever the temperature.
    """
    exact = logits.astype(np.float64)
    if task == "multi_label":
        joint: NDArray[np.float64] = -np.logaddexp(0, exact).sum(axis=1)
        return joint
    free: NDArray[np.float64] = -temperature * np.logaddexp.reduce(exact / temperature, axis=1)
    return free


def in_double(probabilities: Probabilities) -> NDArray[np.float64]:
    """Probabilities (N, K) whose rows sum to 1 in double precision; in single they miss it by up to 1e-6."""
    exact = probabilities.astype(np.float64)  # always a copy
    exact /= np.add.reduce(exact, axis=1, keepdims=True)
    return exact
