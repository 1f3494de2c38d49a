"""Classifier -> the same with calibrated confidence and rules for the doubtful, from validation images."""

from __future__ import annotations

from typing import Annotated

from zenml import log_metadata, step

from steps.materializers import ImageClassifierMaterializer
from vision.classifier import ImageClassifier
from vision.config import CalibrateConfig
from vision.prepared import PreparedImages


@step(output_materializers=ImageClassifierMaterializer)
def calibrate(
    classifier: ImageClassifier, prepared: PreparedImages, config: CalibrateConfig, seed: int
) -> Annotated[ImageClassifier, "calibrated_classifier"]:
    """Temperature, thresholds of labels, prediction sets, and when to abstain."""
    from vision.calibration import calibrate_classifier

    calibrated = calibrate_classifier(classifier, prepared.labelled("validation"), config, seed=seed)
    thresholds = dict(zip(calibrated.class_names, calibrated.thresholds, strict=False))
    rules = calibrated.uncertainty
    log_metadata(
        {
            "temperature": calibrated.temperature,
            "thresholds": thresholds,
            "uncertainty": rules.model_dump() if rules else {},
        }
    )
    return calibrated
