"""Calibrated classifier -> the one that will serve: the fastest within the accuracy budget."""

from __future__ import annotations

from typing import Annotated

from zenml import log_metadata, step

from steps.materializers import ImageClassifierMaterializer
from vision.augmentation_policy import AugmentationPolicy
from vision.classifier import ImageClassifier
from vision.compression.table import CompressionTable
from vision.compression_config import CompressConfig
from vision.config import CalibrateConfig
from vision.prepared import PreparedImages

CLASSIFIERS = ("servable_classifier", "exportable_classifier")


@step(output_materializers=dict.fromkeys(CLASSIFIERS, ImageClassifierMaterializer))
def compress(
    classifier: ImageClassifier,
    prepared: PreparedImages,
    policy: AugmentationPolicy,
    config: CompressConfig,
    calibration: CalibrateConfig,
    seed: int,
) -> tuple[
    Annotated[ImageClassifier, "servable_classifier"],
    Annotated[ImageClassifier, "exportable_classifier"],
    Annotated[CompressionTable, "compression_table"],
]:
    """Prunes, distils and quantises with training images, judges on validation images."""
    from vision.compression.compress import compress_classifier

    made = compress_classifier(classifier, prepared, config, policy=policy, seed=seed, calibrate=calibration)
    log_metadata({"chosen": made.table.chosen.model_dump()})
    return made.servable, made.network, made.table
