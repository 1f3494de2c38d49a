"""Prunes, distils, converts, measures, chooses: the compress step's whole work."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vision.augmentation_policy import AugmentationPolicy
from vision.calibration import calibrate_classifier
from vision.classifier import ImageClassifier
from vision.compression.choose import choose_fastest
from vision.compression.data import CompressionData
from vision.compression.search import Search
from vision.compression.table import CompressionTable
from vision.compression_config import CompressConfig
from vision.config import CalibrateConfig
from vision.errors import DataError
from vision.prepared import LabelledImages, PreparedImages


@dataclass(frozen=True)
class Compressed:
    """`servable` serves; `network` is the Keras classifier that it was converted from, calibrated too."""

    servable: ImageClassifier
    network: ImageClassifier
    table: CompressionTable


def compress_classifier(
    classifier: ImageClassifier,
    prepared: PreparedImages,
    config: CompressConfig,
    *,
    policy: AugmentationPolicy,
    seed: int,
    calibrate: CalibrateConfig = CalibrateConfig(),  # noqa: B008 - frozen
) -> Compressed:
    """The classifier that serves, with rules of its own, and what was tried.

    The quantiser, pruned networks and students see training images only, these changed by `policy`;
    validation images decide; test images are not touched.
    """
    training, validation = prepared.labelled("train"), prepared.labelled("validation")
    calibration = draw_calibration(training, config.calibration_images, seed=seed)
    data = CompressionData(training, validation, calibration, policy, seed)
    tried = Search(classifier, data, config, calibrate).run()
    chosen, table = choose_fastest(
        classifier,
        tried,
        validation,
        max_accuracy_drop=config.max_accuracy_drop,
        max_megabytes=config.max_megabytes,
    )
    servable, network = (
        calibrate_classifier(made, validation, calibrate, seed=seed)
        for made in (chosen.classifier, chosen.network)
    )
    return Compressed(servable, network, table)


def draw_calibration(training: LabelledImages, count: int, *, seed: int) -> NDArray[np.uint8]:
    """Up to `count` of the images, (N, H, W, 3), uint8 0..255; DataError where they show one class alone."""
    count = min(count, len(training.images))
    rows = np.sort(np.random.default_rng(seed).choice(len(training.images), count, replace=False))
    if count > 1 and len(np.unique(training.labels[rows], axis=0)) == 1 and training.labels.ndim == 1:
        raise DataError(
            f"the {count} images drawn for int8 calibration are all of one class, at least 2 are needed: the"
            " ranges of the others would be cut off; raise config.compress.calibration_images"
        )
    return np.asarray(training.images[rows])
