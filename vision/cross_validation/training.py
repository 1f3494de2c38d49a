"""k trainings by one plan, each without one fold of the images, which it then judges.

What came before the folds has seen them all, and flatters a little: a search chose its values by the
validation images, and a backbone that was pre-trained without labels may have seen any image, never a label.
"""

from __future__ import annotations

import logging
import os
import shutil
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vision.bundle import sha256_file
from vision.calibration import fit_temperature
from vision.cross_validation.answers import OutOfFold, measure_all
from vision.cross_validation.folds import Folds, PreparedFold, assign_folds
from vision.manifest import Manifest
from vision.prepared import PreparedImages
from vision.training.checkpoint import fingerprint_of
from vision.training.record import TrainingRecord
from vision.training.train import TrainingPlan, train_classifier
from vision.worker_pool import run_all
from vision.workers_config import WorkersConfig

logger = logging.getLogger("sightline.training")


@dataclass(frozen=True)
class FoldResult:
    """What one training left: probabilities (n, K), float32, of the fold that it had not seen."""

    fold: int  # from 1
    probabilities: NDArray[np.float32]
    record: TrainingRecord


def train_folds(
    prepared: PreparedImages,
    manifest: Manifest,
    plan: TrainingPlan,
    *,
    folds: int,
    checkpoint: Path | None = None,
    workers: WorkersConfig = WorkersConfig(),  # noqa: B008 - frozen
    on_fold: Callable[[FoldResult, dict[str, float]], None] = lambda result, scores: None,
) -> OutOfFold:
    """Out-of-fold answers for all training and validation images, with a temperature as `calibrate` fits it.

    Each training starts afresh, from the plan's own seed and backbone. `checkpoint` is a folder: the same
    call goes on from what it holds, and trains no finished fold again. `workers` says how many folds are
    trained at the same time, and where. `on_fold` hears of every fold and its scores, as they end. DataError
    where a class has too few images, SightlineError where a worker dies again and again.
    """
    division = assign_folds(prepared, manifest, folds=folds, seed=plan.seed)
    trainings = _Trainings(prepared, plan, division, folds, checkpoint)
    probabilities = np.zeros((len(division.paths), len(prepared.class_names)), np.float32)
    for result in run_all(trainings.run, range(1, folds + 1), workers):
        held_out = division.number == result.fold
        probabilities[held_out] = result.probabilities
        on_fold(result, measure_all(division.labels[held_out], result.probabilities))
    return OutOfFold(division.paths, division.labels, division.number, probabilities, prepared.class_names)


@dataclass(frozen=True)
class _Trainings:
    """What the trainings of all folds share."""

    prepared: PreparedImages
    plan: TrainingPlan
    division: Folds
    folds: int
    checkpoint: Path | None

    def run(self, fold: int) -> FoldResult:
        """Trains, or reads what a finished training of these very images and settings left."""
        parts = self.division.prepare(self.prepared, fold)
        if self.checkpoint is None:
            return self._train(fold, parts, None)
        folder, file = self.checkpoint / f"fold_{fold}", self.checkpoint / f"fold_{fold}.npz"
        fingerprint = self._fingerprint(parts)
        result = _read(file, fold, fingerprint)
        if result is None:
            result = self._train(fold, parts, folder)
            _write(file, result, fingerprint)
            shutil.rmtree(folder, ignore_errors=True)  # k states of a big network would fill a disk
        return result

    def _train(self, fold: int, parts: PreparedFold, folder: Path | None) -> FoldResult:
        validation, held_out = parts.labelled("validation"), parts.images("test")
        counts = len(parts.paths("train")), len(validation.labels), len(held_out)
        logger.info(
            "fold %d of %d: %d images to learn from, %d to stop by, %d held out", fold, self.folds, *counts
        )
        classifier, record = train_classifier(parts, self.plan, checkpoint=folder)
        temperature = fit_temperature(classifier.logits(validation.images), validation.labels)
        return FoldResult(fold, classifier.with_temperature(temperature).predict(held_out), record)

    def _fingerprint(self, parts: PreparedFold) -> str:
        """Of all that the answers follow from."""
        weights = Path(self.plan.model.weights or "")
        settings = {
            "plan": self.plan.as_parameters(),
            "weights": sha256_file(weights) if weights.is_file() else "",
            "images": self.prepared.key,
            "splits": parts.splits,
        }
        return fingerprint_of(settings, self.plan.backbone.weights)


def _write(file: Path, result: FoldResult, fingerprint: str) -> None:
    """Replaces the file in one step."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_suffix(".part")
    with temporary.open("wb") as opened:
        record = result.record.model_dump_json()
        np.savez(opened, fingerprint=fingerprint, probabilities=result.probabilities, record=record)
        opened.flush()
        os.fsync(opened.fileno())
    temporary.replace(file)


def _read(file: Path, fold: int, fingerprint: str) -> FoldResult | None:
    """None where there is none, it is of other settings or images, or damaged."""
    if not file.is_file():
        return None
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as stored:
            if str(stored["fingerprint"]) == fingerprint:
                logger.info("fold %d was trained before: its answers are in %s", fold, file)
                record = TrainingRecord.model_validate_json(str(stored["record"]))
                return FoldResult(fold, stored["probabilities"], record)
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        logger.warning("%s is damaged (%s): the fold is trained anew", file, error)
    return None
