"""One way of making a classifier smaller: where in the search space it lies, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from vision.classifier import ImageClassifier
from vision.compression.conversions import Conversion
from vision.intervals import MetricEstimate

# Names, among students, of the network as it was trained, of what its test-time augmentation averages
# (vision/training), and of that with flips alone.
TRAINED, ONE_VIEW, TWO_VIEWS = "", "one view", "two views"


class Place(NamedTuple):
    """The student, the share of channels pruned (0..1), runtime and precision."""

    student: str
    pruned: float
    conversion: Conversion

    @property
    def is_trained_network(self) -> bool:
        """Whether it is the trained network itself, on some runtime."""
        return self.student == TRAINED and not self.pruned

    def __str__(self) -> str:
        pruned = f"{self.pruned:.0%} pruned" if self.pruned else ""
        return ", ".join(filter(None, (self.student, pruned, str(self.conversion))))


@dataclass(frozen=True)
class Candidate:
    """A classifier, the Keras classifier `network` that was converted to it, and figures of validation.

    `accuracy` is a share, 0..1; `gain` what it is above the original's, with its paired 95 % interval.
    `slowness`: its time for one image over that of the trained network's first conversion.
    """

    place: Place
    classifier: ImageClassifier
    network: ImageClassifier
    accuracy: float
    gain: MetricEstimate
    slowness: float

    @property
    def drop_points(self) -> float:
        """Percentage points of accuracy lost."""
        return 0.0 - 100 * self.gain.value

    @property
    def highest_drop_points(self) -> float:
        """What may have been lost: the upper end of the interval."""
        return 0.0 - 100 * self.gain.low


@dataclass(frozen=True)
class Failure:
    """A place where no classifier could be made, and why, in one line."""

    place: Place
    reason: str
