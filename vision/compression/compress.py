"""Converts, measures, chooses: the compress step's whole work."""

from __future__ import annotations

import numpy as np

from vision.calibration import calibrate_classifier
from vision.classifier import ImageClassifier
from vision.compression.candidates import convert
from vision.compression.choose import choose_fastest
from vision.compression.table import CompressionTable
from vision.config import CalibrateConfig, CompressConfig
from vision.prepared import PreparedImages


def compress_classifier(
    classifier: ImageClassifier,
    prepared: PreparedImages,
    config: CompressConfig,
    *,
    seed: int,
    calibrate: CalibrateConfig = CalibrateConfig(),  # noqa: B008 - frozen
) -> tuple[ImageClassifier, CompressionTable]:
    """The classifier that serves, calibrated anew with rules of its own, and the table of what was tried.

    The quantiser sees training images only; validation images decide; test images are not touched.
    """
    training = prepared.images("train")
    count = min(config.calibration_images, len(training))
    rows = np.random.default_rng(seed).choice(len(training), count, replace=False)
    candidates = convert(classifier, training[np.sort(rows)], config.runtimes)
    validation = prepared.labelled("validation")
    chosen, table = choose_fastest(
        classifier, candidates, validation, max_accuracy_drop=config.max_accuracy_drop
    )
    return calibrate_classifier(chosen, validation, calibrate, seed=seed), table
