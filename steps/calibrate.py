"""Classifier -> the same with temperature, and of labels thresholds, fitted on validation images."""

from __future__ import annotations

from typing import Annotated

from zenml import log_metadata, step

from steps.materializers import ImageClassifierMaterializer
from vision.calibration import calibrate_classifier
from vision.classifier import ImageClassifier
from vision.prepared import PreparedImages


@step(output_materializers=ImageClassifierMaterializer)
def calibrate(
    classifier: ImageClassifier, prepared: PreparedImages
) -> Annotated[ImageClassifier, "calibrated_classifier"]:
    """Temperature scaling (Guo et al. 2017); of a multi-label classifier also a threshold for each label."""
    calibrated = calibrate_classifier(classifier, prepared.labelled("validation"))
    thresholds = dict(zip(calibrated.class_names, calibrated.thresholds, strict=False))
    log_metadata({"temperature": calibrated.temperature, "thresholds": thresholds})
    return calibrated
