"""Prepared images -> the best settings that a search found; a budget of 0 skips it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Annotated

from zenml import log_metadata, step

from registry.workspace import Workspace
from steps.tracking import Tracker
from vision.augmentation_policy import AugmentationPolicy
from vision.model_config import ModelConfig
from vision.prepared import PreparedImages
from vision.training_config import TrainConfig, TuneConfig
from vision.tuning_parameters import BestParameters, TrialRecord

if TYPE_CHECKING:
    from vision.tuning_trial import Outcome

# What decides how good a set of values is. A search that is given more trials, time or processes goes on.
DECIDING = {"epochs", "pruner", "space"}


@step
def tune(
    prepared: PreparedImages,
    policy: AugmentationPolicy,
    model: ModelConfig,
    train: TrainConfig,
    tune: TuneConfig,
    seed: int,
    name: str,
) -> Annotated[BestParameters, "best_parameters"]:
    """Searches on training and validation images; every trial is an MLflow run."""
    if not tune.trials:
        return BestParameters()
    from vision.training.train import TrainingPlan
    from vision.tuning import tune_training
    from vision.tuning_storage import storage_address
    from vision.tuning_trial import Search

    workspace = Workspace.from_environment()
    tracker = Tracker.open(workspace, name)
    plan = TrainingPlan(model=model, train=train, policy=policy, seed=seed)
    train_images, validation_images = prepared.labelled("train"), prepared.labelled("validation")
    search = Search(train_images, validation_images, len(prepared.class_names), plan, tune)
    study = _study_name(name, prepared.key, policy, model, train, tune.model_dump(include=DECIDING), seed)
    with tracker.run("tune", tags={"sightline.study": study}) as run:
        best = tune_training(
            search,
            study_name=study,
            storage=storage_address(tune.storage, workspace.studies),
            on_trial=lambda record, outcome: _log_trial(tracker, run.run_id, search.score, record, outcome),
        )
        run.log_parameters(best.values)
        run.log_metrics({} if best.score is None else {f"val_{search.score}": best.score})
    log_metadata({"trials": best.trials, "mlflow_run": run.run_id})
    return best


def _log_trial(tracker: Tracker, parent: str, score: str, record: TrialRecord, outcome: Outcome) -> None:
    """A pruned trial is a finished run with the tag `pruned`: it did what it was told."""
    tags = {"sightline.trial": record.state.lower(), "sightline.failure": record.failure}
    status = "FAILED" if record.failure else "FINISHED"
    with tracker.run(f"trial {record.number}", tags=tags, parent=parent, status=status) as run:
        run.log_parameters(record.parameters)
        run.log_curve(f"val_{score}", outcome.curve)


def _study_name(name: str, key: str, *settings: object) -> str:
    """The same for the same images and settings, so that an interrupted search goes on."""
    digest = hashlib.sha256(repr((key, settings)).encode()).hexdigest()
    return f"{name}-{digest[:12]}"
