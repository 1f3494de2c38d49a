"""From what the pipeline knows of a classifier to its report."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from vision.augmentation import augmentation_examples
from vision.augmentation_policy import AugmentationPolicy
from vision.classifier import ImageClassifier
from vision.compression.table import CompressionTable
from vision.evaluation import Evaluation
from vision.evidence.parts import Evidence
from vision.manifest import SPLITS
from vision.prepared import PreparedImages
from vision.report.contents import AugmentationExample, Pixels, Report
from vision.report.flips import rows_shown
from vision.report.predictions import choose_for_gallery, explain, read_answers, show
from vision.runtimes import Logits
from vision.task import has_class
from vision.training.record import TrainingRecord
from vision.tuning_parameters import SearchRecord


def assemble_report(
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
    evidence: Evidence | None = None,
    read: Callable[[str], bytes] | None = None,
    logits: Logits | None = None,
) -> Report:
    """What the page, the JSON and the card show; `before` is the evaluation before compression.

    `read` (Manifest.read) gives the activation maps the original images, else they lie on the prepared ones.
    `logits` (N, K) are what the classifier said of the test images, else it is asked.
    """
    evidence = evidence or Evidence()
    said = classifier.logits(prepared.images("test")) if logits is None else logits
    answers = read_answers(classifier, prepared, said)
    shown, mistakes = choose_for_gallery(answers, gallery_images, seed=seed)
    method, activations = explain(classifier, prepared, answers, shown, read=read)
    return Report(
        title=title,
        evaluation=evaluation,
        facts=_facts(prepared, record),
        comparison=_columns(before, evaluation, compression),
        compression=compression,
        history=record.history,
        class_counts=_class_counts(prepared),
        augmentation=_augmentation(policy, prepared, seed=seed),
        activations=activations,
        activation_method=method,
        mistakes=show(prepared, answers, mistakes),
        search=search,
        evidence=evidence,
        flipped=_flipped(prepared, evidence),
    )


def _flipped(prepared: PreparedImages, evidence: Evidence) -> dict[int, Pixels]:
    """The pixels of the test images that changed sides, as many of them as the page shows."""
    images = prepared.images("test")
    return {row: np.asarray(images[row]) for row in rows_shown(evidence)}


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


def _augmentation(
    policy: AugmentationPolicy, prepared: PreparedImages, *, seed: int
) -> tuple[AugmentationExample, ...]:
    examples = augmentation_examples(policy, prepared.images("train"), seed=seed)
    return tuple(AugmentationExample(before, tuple(after)) for before, after in examples)
