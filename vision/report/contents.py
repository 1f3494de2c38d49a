"""What a report shows. Optional parts that are empty leave no trace on the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vision.compression.table import CompressionTable
from vision.evaluation import Evaluation
from vision.evidence.parts import Evidence
from vision.tuning_parameters import SearchRecord

Pixels = NDArray[np.uint8]  # (H, W, 3), 0..255


@dataclass(frozen=True)
class AugmentationExample:
    """One training image and what augmentation made of it."""

    before: Pixels
    after: tuple[Pixels, ...]
    class_name: str = ""


@dataclass(frozen=True)
class Prediction:
    """One image with its answer: one class, or of a multi-label set any number, in the order of the classes.

    `overlay` is the activation map of the explained class laid over the image, of equal size.
    """

    image: Pixels
    true: tuple[str, ...]
    predicted: tuple[str, ...]
    explained: str  # the class that probability and overlay are of
    probability: float  # 0..1
    path: str
    overlay: Pixels | None = None

    @property
    def is_right(self) -> bool:
        return self.true == self.predicted


@dataclass(frozen=True)
class Report:
    """Everything on the page; plots and summary show `evaluation`, the table also `comparison`.

    `flipped` has the pixels of the images that a comparison of `evidence` shows, by their row among the test
    images; one without pixels is shown without a picture.
    """

    title: str
    evaluation: Evaluation
    facts: Mapping[str, str] = field(default_factory=dict)
    comparison: Mapping[str, Evaluation] = field(default_factory=dict)  # column title -> evaluation
    compression: CompressionTable | None = None
    history: Mapping[str, Sequence[float]] = field(default_factory=dict)  # "loss", "val_loss" ... by epoch
    class_counts: Mapping[str, Sequence[int]] = field(default_factory=dict)  # split -> images of each class
    augmentation: tuple[AugmentationExample, ...] = ()
    activations: tuple[Prediction, ...] = ()
    activation_method: str = ""
    mistakes: tuple[Prediction, ...] = ()
    search: SearchRecord | None = None
    evidence: Evidence = field(default_factory=Evidence)
    flipped: Mapping[int, Pixels] = field(default_factory=dict)
