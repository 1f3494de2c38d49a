"""From what the pipeline knows of a classifier to its report."""

from __future__ import annotations

import numpy as np

from vision.augmentation import augmentation_examples
from vision.augmentation_policy import AugmentationPolicy
from vision.classifier import ImageClassifier, Probabilities
from vision.compression.table import CompressionTable
from vision.evaluation import Evaluation
from vision.explanation import ActivationMaps, activation_maps, overlay
from vision.manifest import SPLITS
from vision.prepared import PreparedImages
from vision.report import render_report
from vision.report.contents import AugmentationExample, CompressionRow, Prediction, Report
from vision.training.record import TrainingRecord


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
) -> str:
    """The report as HTML; `before` is the evaluation of the classifier before compression."""
    probabilities = classifier.predict(prepared.images("test"))
    shown, mistakes = choose_for_gallery(probabilities, prepared.labels("test"), gallery_images, seed=seed)
    maps = activation_maps(classifier, prepared.images("test")[shown], probabilities[shown].argmax(axis=1))
    names = np.array(prepared.class_names)
    counts = {split: np.bincount(prepared.labels(split), minlength=len(names)) for split in SPLITS}
    return render_report(
        Report(
            title=title,
            evaluation=evaluation,
            facts=_facts(prepared, record),
            comparison=_columns(before, evaluation, compression),
            compression=_compression_rows(compression),
            history=record.history,
            class_counts={split: count.tolist() for split, count in counts.items()},
            augmentation=_augmentation(policy, prepared, seed=seed),
            activations=_predictions(prepared, probabilities, shown, maps),
            activation_method=maps.method,
            mistakes=_predictions(prepared, probabilities, mistakes),
        )
    )


def choose_for_gallery(
    probabilities: Probabilities, labels: np.ndarray, count: int, *, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Rows to explain (half of them wrong, where there are as many) and the most confident mistakes."""
    answers = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(answers != labels)
    mistakes = wrong[np.argsort(-probabilities[wrong].max(axis=1), kind="stable")][:count]
    explained = mistakes[: count // 2]
    right = np.flatnonzero(answers == labels)
    drawn = np.random.default_rng(seed).permutation(right)[: count - len(explained)]
    return np.concatenate([drawn, explained]).astype(int), mistakes


def _predictions(
    prepared: PreparedImages,
    probabilities: Probabilities,
    rows: np.ndarray,
    maps: ActivationMaps | None = None,
) -> tuple[Prediction, ...]:
    images, labels, paths = prepared.images("test"), prepared.labels("test"), prepared.paths("test")
    names = prepared.class_names
    return tuple(
        Prediction(
            image=np.asarray(images[row]),
            true=names[labels[row]],
            predicted=names[int(probabilities[row].argmax())],
            probability=float(probabilities[row].max()),
            path=paths[row],
            overlay=overlay(np.asarray(images[row]), maps.maps[place]) if maps else None,
        )
        for place, row in enumerate(rows)
    )


def _facts(prepared: PreparedImages, record: TrainingRecord) -> dict[str, str]:
    height, width = prepared.preprocessing.image_size
    return {
        "architecture": f"{record.architecture}, {record.parameters:,} parameters",
        "image size": f"{height} x {width} pixels, {prepared.preprocessing.resize}",
        "data revision": prepared.revision[:12],
        "training": f"{record.epochs} epochs, {record.seconds:.0f} s,"
        f" {record.images_per_second:.0f} images a second",
        "MLflow run": record.run_id,
    }


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
