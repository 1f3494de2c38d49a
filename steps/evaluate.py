"""A classifier -> what it does on the test images, as numbers and as a report."""

from __future__ import annotations

from typing import Annotated

from zenml import log_metadata, step
from zenml.types import HTMLString

from registry.workspace import Workspace
from steps.tracking import Tracker
from vision.augmentation_policy import AugmentationPolicy
from vision.classifier import ImageClassifier
from vision.compression.table import CompressionTable
from vision.config import EvaluateConfig
from vision.evaluation import Evaluation, ModelFacts, evaluate_classifier
from vision.prepared import PreparedImages
from vision.training.record import TrainingRecord
from vision.tuning_parameters import BestParameters


@step
def evaluate(
    classifier: ImageClassifier,
    prepared: PreparedImages,
    policy: AugmentationPolicy,
    record: TrainingRecord,
    config: EvaluateConfig,
    seed: int,
    name: str,
    before: Evaluation | None = None,
    compression: CompressionTable | None = None,
    best: BestParameters | None = None,
) -> tuple[Annotated[Evaluation, "evaluation"], Annotated[HTMLString, "report"]]:
    """Evaluates on test images; `before` is the evaluation of the classifier before compression."""
    from vision.report.assemble import build_report

    evaluation = evaluate_classifier(
        classifier,
        prepared.images("test"),
        prepared.labels("test"),
        resamples=config.resamples,
        seed=seed,
        model=ModelFacts(
            parameters=record.parameters,
            size_bytes=classifier.size_bytes,
            latency_ms=compression.chosen.latency_ms if compression else None,
        ),
    )
    html = build_report(
        classifier,
        prepared,
        evaluation,
        title=name,
        policy=policy,
        record=record,
        gallery_images=config.gallery_images,
        before=before,
        compression=compression,
        seed=seed,
        search=best.search if best else None,
    )
    run = Tracker.open(Workspace.from_environment(), name).resume(record.run_id)
    kind = f"{evaluation.model.runtime}-{evaluation.model.precision}"
    run.log_metrics({f"test_{key}.{kind}": metric.value for key, metric in evaluation.metrics.items()})
    run.log_text(html, f"report-{kind}.html")
    log_metadata({key: metric.value for key, metric in evaluation.metrics.items()})
    return evaluation, HTMLString(html)
