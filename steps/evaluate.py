"""A classifier -> what it does on the test images, as numbers."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from zenml import log_metadata, step

from registry.workspace import Workspace
from steps.tracking import Tracker
from vision.classifier import ImageClassifier
from vision.compression.table import CompressionTable
from vision.config import EvaluateConfig
from vision.evaluation import Evaluation, ModelFacts, evaluate_logits
from vision.prepared import PreparedImages
from vision.training.record import TrainingRecord


@step
def evaluate(
    classifier: ImageClassifier,
    prepared: PreparedImages,
    record: TrainingRecord,
    config: EvaluateConfig,
    seed: int,
    name: str,
    compression: CompressionTable | None = None,
) -> tuple[Annotated[Evaluation, "evaluation"], Annotated[np.ndarray, "test_logits"]]:
    """Sees the test images once; all further evidence is about these logits."""
    logits = classifier.logits(prepared.images("test"))
    evaluation = evaluate_logits(
        classifier,
        logits,
        prepared.labels("test"),
        resamples=config.resamples,
        seed=seed,
        model=ModelFacts(
            parameters=record.parameters,
            size_bytes=classifier.size_bytes,
            latency_ms=compression.chosen.latency_ms if compression else None,
        ),
    )
    run = Tracker.open(Workspace.from_environment(), name).resume(record.run_id)
    kind = f"{evaluation.model.runtime}-{evaluation.model.precision}"
    run.log_metrics({f"test_{key}.{kind}": metric.value for key, metric in evaluation.metrics.items()})
    log_metadata({key: metric.value for key, metric in evaluation.metrics.items()})
    return evaluation, logits
