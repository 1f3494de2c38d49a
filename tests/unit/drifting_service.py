"""A small world with a model that knows it exactly: what a service of it sees, with and without drift.

Images are points; each class is a cloud around its centre, and the model gives the true chance of each class.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from vision.drift.answering import Answering
from vision.drift.profile import Profile

CLASSES, NUMBERS = 4, 6
CENTRES = 3 * np.eye(CLASSES, NUMBERS)
NEW_CENTRE = -4 * np.ones(NUMBERS)
NAMES = ("ash", "birch", "cedar", "dogwood")


def seen(
    answers: int,
    kept: int,
    *,
    random: np.random.Generator,
    prior: tuple[float, ...] = (0.25, 0.25, 0.25, 0.25),
    shift: float = 0.0,
    new_share: float = 0.0,
    judged: int | None = None,
    mistaught: float = 0.0,
) -> Profile:
    """`shift` moves every image, `new_share` are of a class that the model does not know; of the judged, a
    share `mistaught` has another truth than the world had."""
    labels = random.choice(CLASSES, answers, p=prior)
    images = CENTRES[labels] + random.normal(size=(answers, NUMBERS)) + shift
    is_new = random.random(answers) < new_share
    images[is_new] += NEW_CENTRE - CENTRES[labels[is_new]]
    densities = -((images[:, None] - CENTRES) ** 2).sum(axis=2) / 2
    likelihoods = np.exp(densities - densities.max(axis=1, keepdims=True))
    probabilities = likelihoods / likelihoods.sum(axis=1, keepdims=True)
    right = (probabilities.argmax(axis=1) == labels) & ~is_new & (random.random(answers) >= mistaught)
    counted = answers if judged is None else judged
    return Profile(
        probabilities=probabilities.astype(np.float32),
        energy=-np.logaddexp.reduce(densities, axis=1),
        right=right[:counted],
        covered=(random.random(answers) < 0.9)[:counted],
        properties=properties(images[:kept]),
        embeddings=images[:kept].astype(np.float32),
        answering=Answering(NAMES, coverage=0.9),
    )


def seen_labels(answers: int, kept: int, *, random: np.random.Generator, often: float = 0.3) -> Profile:
    """The same of three labels, that an image has or not; the first is there `often`."""
    has = random.random((answers, 3)) < (often, 0.5, 0.1)
    images = 2.0 * has + random.normal(size=(answers, 3))
    probabilities = (1 / (1 + np.exp(4 - 4 * images))).astype(np.float32)
    return Profile(
        probabilities=probabilities,
        energy=-np.logaddexp(0, 4 * images - 4).sum(axis=1),
        right=((probabilities >= 0.5) == has).all(axis=1),
        covered=np.zeros(0, bool),
        properties=properties(images[:kept]),
        embeddings=images[:kept].astype(np.float32),
        answering=Answering(("sun", "rain", "snow"), "multi_label"),
    )


def properties(images: np.ndarray) -> dict[str, Any]:
    if not len(images):
        return {}
    return {
        "brightness": images[:, 0],
        "sharpness": np.exp(images[:, 1]),
        "width": np.full(len(images), 64.0),
    }
