"""Prepared images -> k trainings, each judged by the images that it did not see; 0 folds skip it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import pandas as pd
from zenml import log_metadata, step

from registry.workspace import Workspace
from steps.tracking import TrackedRun, Tracker
from vision.augmentation_policy import AugmentationPolicy
from vision.config import CrossValidateConfig
from vision.cross_validation.answers import summarise, to_table
from vision.cross_validation.scores import CrossValidation, OptionalCrossValidation
from vision.manifest import Manifest
from vision.model_config import ModelConfig
from vision.prepared import PreparedImages
from vision.training.backbone import Backbone
from vision.training_config import EnsembleConfig, TrainConfig
from vision.tuning_parameters import BestParameters

if TYPE_CHECKING:
    from vision.cross_validation.training import FoldResult


@step
def cross_validate(
    prepared: PreparedImages,
    manifest: Manifest,
    policy: AugmentationPolicy,
    best: BestParameters,
    backbone: Backbone,
    model: ModelConfig,
    train: TrainConfig,
    ensemble: EnsembleConfig,
    config: CrossValidateConfig,
    seed: int,
    name: str,
) -> tuple[Annotated[OptionalCrossValidation, "cross_validation"], Annotated[pd.DataFrame, "out_of_fold"]]:
    """Trains as `train` does, once a fold; each fold is an MLflow run below that of the whole."""
    if not config.folds:
        return OptionalCrossValidation(), to_table(None)
    from vision.cross_validation.training import train_folds
    from vision.training.train import TrainingPlan

    workspace = Workspace.from_environment()
    tracker = Tracker.open(workspace, name)
    plan = TrainingPlan(*best.apply(model, train, policy), seed, ensemble, backbone)
    tags = {"sightline.data_revision": prepared.revision}
    with tracker.run(f"cross-validate {model.name}", tags=tags) as run:
        run.log_parameters({**plan.as_parameters(), "folds": config.folds})
        answers = train_folds(
            prepared,
            manifest,
            plan,
            folds=config.folds,
            checkpoint=workspace.checkpoints / name / "cross_validation",
            workers=config,
            on_fold=lambda result, scores: _log_fold(tracker, run.run_id, result, scores),
        )
        result = summarise(answers, seed=seed)
        _log_whole(run, result)
    log_metadata({"mlflow_run": run.run_id, "label_issues": result.label_issues})
    return OptionalCrossValidation(result=result), to_table(answers)


def _log_fold(tracker: Tracker, parent: str, result: FoldResult, scores: dict[str, float]) -> None:
    with tracker.run(f"fold {result.fold}", tags={"sightline.fold": str(result.fold)}, parent=parent) as run:
        for name, values in result.record.history.items():
            run.log_curve(name, values)
        run.log_metrics({f"out_of_fold_{name}": value for name, value in scores.items()})


def _log_whole(run: TrackedRun, result: CrossValidation) -> None:
    """The answers of all folds together, and how the folds differ."""
    run.log_metrics({f"out_of_fold_{name}": metric.value for name, metric in result.pooled.items()})
    for name, scores in result.scores.items():
        run.log_metrics({f"fold_{name}.mean": scores.mean, f"fold_{name}.spread": scores.spread})
    run.log_metrics({"label_issues": result.label_issues})
