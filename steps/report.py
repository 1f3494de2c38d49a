"""What is known of a classifier -> its report: a page for people, JSON for programs, a model card."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from zenml import step
from zenml.types import HTMLString, JSONString, MarkdownString

from registry.workspace import Workspace
from steps.tracking import Tracker
from vision.augmentation_policy import AugmentationPolicy
from vision.classifier import ImageClassifier
from vision.compression.table import CompressionTable
from vision.config import EvaluateConfig
from vision.evaluation import Evaluation
from vision.evidence.parts import Evidence
from vision.manifest import Manifest
from vision.prepared import PreparedImages
from vision.training.record import TrainingRecord
from vision.tuning_parameters import BestParameters


@step
def report(
    classifier: ImageClassifier,
    logits: np.ndarray,
    evaluation: Evaluation,
    prepared: PreparedImages,
    manifest: Manifest,
    policy: AugmentationPolicy,
    record: TrainingRecord,
    config: EvaluateConfig,
    seed: int,
    name: str,
    before: Evaluation | None = None,
    compression: CompressionTable | None = None,
    best: BestParameters | None = None,
    evidence: Evidence | None = None,
) -> tuple[
    Annotated[HTMLString, "report"],
    Annotated[JSONString, "report_numbers"],
    Annotated[MarkdownString, "model_card"],
]:
    """`before` is the evaluation of the classifier before compression."""
    from vision.report import model_card, render_report, report_json
    from vision.report.assemble import assemble_report

    assembled = assemble_report(
        classifier,
        prepared,
        evaluation,
        logits=logits,
        title=name,
        policy=policy,
        record=record,
        gallery_images=config.gallery_images,
        before=before,
        compression=compression,
        seed=seed,
        search=best.search if best else None,
        evidence=evidence,
        read=manifest.read,
    )
    page, numbers, card = render_report(assembled), report_json(assembled), model_card(assembled)
    run = Tracker.open(Workspace.from_environment(), name).resume(record.run_id)
    kind = f"{evaluation.model.runtime}-{evaluation.model.precision}"
    run.log_text(page, f"report-{kind}.html")
    run.log_text(numbers, f"numbers-{kind}.json")
    run.log_text(card, f"model-card-{kind}.md")
    return HTMLString(page), JSONString(numbers), MarkdownString(card)
