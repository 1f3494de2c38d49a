"""What arrives at the service day by day: images of CIFAR-10, and how the world around it changes.

The model of these benchmarks knows all classes but the last, so that a class can appear.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vision.prepared import LabelledImages
from vision.robustness.corruptions import corrupt

NEW_CLASS = 9  # truck
CORRUPTION, SEVERITY = "gaussian_noise", 3
GROWING_CLASS, TIMES = 3, 6  # cats, the hardest class, are drawn six times as often in the end
NEW_SHARE = 0.2  # of the images in the end
REVIEWS = 6  # at most, each of images of its own

# (images to draw from, strength 0..1, how many, chance) -> a day's images, none twice
Draw = Callable[[LabelledImages, float, int, np.random.Generator], LabelledImages]


def draw_known(
    pool: LabelledImages, strength: float, count: int, random: np.random.Generator
) -> LabelledImages:
    """Images of the classes that were learned, each as likely as any other."""
    return _take(pool, random.choice(_known(pool), count, replace=False))


def draw_corrupted(
    pool: LabelledImages, strength: float, count: int, random: np.random.Generator
) -> LabelledImages:
    """The same, of which a share of `strength` is corrupted."""
    day = draw_known(pool, strength, count, random)
    seed = int(random.integers(2**32))
    images = [
        corrupt(image, CORRUPTION, severity=SEVERITY, seed=seed) if is_hit else image
        for image, is_hit in zip(day.images[:], random.random(count) < strength, strict=True)
    ]
    return LabelledImages(np.stack(images), day.labels)


def draw_moved_prior(
    pool: LabelledImages, strength: float, count: int, random: np.random.Generator
) -> LabelledImages:
    """One class grows to TIMES its share beside the others."""
    known = _known(pool)
    weights = np.where(pool.labels[known] == GROWING_CLASS, 1 + strength * (TIMES - 1), 1.0)
    return _take(pool, random.choice(known, count, replace=False, p=weights / weights.sum()))


def draw_new_class(
    pool: LabelledImages, strength: float, count: int, random: np.random.Generator
) -> LabelledImages:
    """A class that was never seen takes up to NEW_SHARE of the places."""
    new = round(NEW_SHARE * strength * count)
    rows = random.choice(_known(pool), count - new, replace=False)
    strange = random.choice(np.flatnonzero(pool.labels == NEW_CLASS), new, replace=False)
    return _take(pool, random.permutation(np.concatenate([rows, strange])))


DRIFTS: dict[str, Draw] = {
    "noise": draw_corrupted,
    "class prior": draw_moved_prior,
    "new class": draw_new_class,
}


@dataclass(frozen=True)
class Stream:
    """Days from 0 on; a drift sets in on day `onset` and is whole after `ramp_days`. None: no drift ever.

    Days draw from `pool` again and again, so what is labelled and learned comes from `reviewable`: else the
    service would later be asked about images that it has learned.
    """

    pool: LabelledImages
    reviewable: LabelledImages
    draw: Draw
    images_a_day: int
    onset: int | None
    ramp_days: int
    seed: int

    def strength(self, day: int) -> float:
        """Of the drift, 0..1."""
        return 0.0 if self.onset is None else float(np.clip((day - self.onset + 1) / self.ramp_days, 0, 1))

    def arrive(self, day: int) -> LabelledImages:
        """The images of a day, whichever were asked for before, with the labels that people would give."""
        random = np.random.default_rng((self.seed, day))
        return self.draw(self.pool, self.strength(day), self.images_a_day, random)

    def review(self, day: int, place: int) -> LabelledImages:
        """As many images of that day, labelled by people: review number `place`, below REVIEWS."""
        rows = np.array_split(np.arange(len(self.reviewable.labels)), REVIEWS)[place]
        random = np.random.default_rng((self.seed, day, place))
        return self.draw(_take(self.reviewable, rows), self.strength(day), self.images_a_day, random)


def known_only(data: LabelledImages) -> LabelledImages:
    """Without the class that is still to appear."""
    return _take(data, _known(data))


def joined(*parts: LabelledImages) -> LabelledImages:
    return LabelledImages(
        np.concatenate([part.images[:] for part in parts]), np.concatenate([part.labels for part in parts])
    )


def _known(data: LabelledImages) -> NDArray[np.intp]:
    return np.flatnonzero(data.labels != NEW_CLASS)


def _take(data: LabelledImages, rows: NDArray[np.intp]) -> LabelledImages:
    return LabelledImages(data.images[rows], data.labels[rows])
