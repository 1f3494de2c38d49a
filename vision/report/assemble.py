"""From what the pipeline knows of a classifier to its report."""

from __future__ import annotations

from vision.augmentation import augmentation_examples
from vision.augmentation_policy import AugmentationPolicy
from vision.classifier import ImageClassifier
from vision.compression.table import CompressionTable
from vision.evaluation import Evaluation
from vision.manifest import SPLITS
from vision.prepared import PreparedImages
from vision.report import render_report
from vision.report.contents import AugmentationExample, CompressionRow, Report
from vision.report.predictions import answer_test_images, choose_for_gallery, explain, show
from vision.task import has_class
from vision.training.record import TrainingRecord
from vision.tuning_parameters import SearchRecord


def build_report(
    classifier: ImageClassifier,
    prepared: PreparedImages,
    evaluation: Evaluation,
    *,
    title: str,
    policy: AugmentationPolicy,
    record: TrainingRecord,
    gallery_images: int,
    before: Evaluation | None,
    compression: CompressionTable | None,
    seed: int,
    search: SearchRecord | None = None,
) -> str:
    """The report as HTML; `before` is the evaluation of the classifier before compression."""
    answers = answer_test_images(classifier, prepared)
    shown, mistakes = choose_for_gallery(answers, gallery_images, seed=seed)
    method, activations = explain(classifier, prepared, answers, shown)
    return render_report(
        Report(
            title=title,
            evaluation=evaluation,
            facts=_facts(prepared, record),
            comparison=_columns(before, evaluation, compression),
            compression=_compression_rows(compression),
            history=record.history,
            class_counts=_class_counts(prepared),
            augmentation=_augmentation(policy, prepared, seed=seed),
            activations=activations,
            activation_method=method,
            mistakes=show(prepared, answers, mistakes),
            search=search,
        )
    )


def _class_counts(prepared: PreparedImages) -> dict[str, list[int]]:
    """Images of each class by split; an image with several labels counts in each."""
    classes = len(prepared.class_names)
    return {split: has_class(prepared.labels(split), classes).sum(axis=0).tolist() for split in SPLITS}


def _facts(prepared: PreparedImages, record: TrainingRecord) -> dict[str, str]:
    height, width = prepared.preprocessing.image_size
    return {
        "architecture": _architecture(record),
        "image size": f"{height} x {width} pixels, {prepared.preprocessing.resize}",
        "data revision": prepared.revision[:12],
        "training": f"{record.epochs} epochs, {record.seconds:.0f} s,"
        f" {record.images_per_second:.0f} images a second{_where(record)}",
        "MLflow run": record.run_id,
    }


def _where(record: TrainingRecord) -> str:
    recipe = f", recipe {record.recipe}" if record.recipe else ""
    return f"{recipe}, {record.accelerator}" if record.accelerator else recipe


def _architecture(record: TrainingRecord) -> str:
    work = f", {record.flops / 1e9:.2f} GFLOPs an image" if record.flops else ""
    members = f", {len(record.member_scores)} members" if record.member_scores else ""
    return f"{record.architecture}, {record.parameters:,} parameters{work}{members}"


def _columns(
    before: Evaluation | None, evaluation: Evaluation, compression: CompressionTable | None
) -> dict[str, Evaluation]:
    if before is None or compression is None:
        return {}
    # Its latency was measured after its evaluation, beside that of the others.
    facts = before.model.model_copy(update={"latency_ms": compression.rows[0].latency_ms})
    trained = before.model_copy(update={"model": facts})
    return {f"{_name(before)} (trained)": trained, f"{_name(evaluation)} (serves)": evaluation}


def _name(evaluation: Evaluation) -> str:
    return f"{evaluation.model.runtime} {evaluation.model.precision}"


def _compression_rows(table: CompressionTable | None) -> tuple[CompressionRow, ...]:
    if table is None:
        return ()
    return tuple(
        CompressionRow(
            runtime=row.runtime,
            precision=row.precision,
            size_bytes=row.size_bytes,
            validation_accuracy=row.accuracy,
            latency_ms=row.latency_ms,
            chosen=row.is_chosen,
            note="" if row.is_within_budget else f"loses more than {table.max_accuracy_drop} points",
        )
        for row in table.rows
    )


def _augmentation(
    policy: AugmentationPolicy, prepared: PreparedImages, *, seed: int
) -> tuple[AugmentationExample, ...]:
    examples = augmentation_examples(policy, prepared.images("train"), seed=seed)
    return tuple(AugmentationExample(before, tuple(after)) for before, after in examples)
