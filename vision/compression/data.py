"""What a compression method may look at: training and validation images, never those of the test."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vision.augmentation_policy import AugmentationPolicy
from vision.prepared import LabelledImages


@dataclass(frozen=True)
class CompressionData:
    """`training` is what fine-tuning and students learn from, changed by `policy`; `validation` judges.

    `calibration` (M, H, W, 3), uint8 0..255, are the training images that a quantiser sees.
    """

    training: LabelledImages
    validation: LabelledImages
    calibration: NDArray[np.uint8]
    policy: AugmentationPolicy
    seed: int
