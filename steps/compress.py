"""Calibrated classifier -> the one that will serve: int8 where accuracy allows it, on the faster runtime."""

from __future__ import annotations

from typing import Annotated

from zenml import log_metadata, step

from steps.materializers import ImageClassifierMaterializer
from vision.classifier import ImageClassifier
from vision.compression.table import CompressionTable
from vision.config import CalibrateConfig, CompressConfig
from vision.prepared import PreparedImages


@step(output_materializers={"servable_classifier": ImageClassifierMaterializer})
def compress(
    classifier: ImageClassifier,
    prepared: PreparedImages,
    config: CompressConfig,
    calibration: CalibrateConfig,
    seed: int,
) -> tuple[
    Annotated[ImageClassifier, "servable_classifier"],
    Annotated[CompressionTable, "compression_table"],
]:
    """Quantises with training images, judges on validation images."""
    from vision.compression.compress import compress_classifier

    servable, table = compress_classifier(classifier, prepared, config, seed=seed, calibrate=calibration)
    log_metadata({"chosen": table.chosen.model_dump()})
    return servable, table
