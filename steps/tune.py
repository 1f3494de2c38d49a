"""Prepared images -> the best training parameters that a search found; a budget of 0 skips it."""

from __future__ import annotations

import hashlib
from typing import Annotated

from zenml import step

from registry.workspace import Workspace
from steps.tracking import Tracker
from vision.augmentation_policy import AugmentationPolicy
from vision.config import ModelConfig
from vision.prepared import PreparedImages
from vision.training_config import TrainConfig, TuneConfig
from vision.tuning_parameters import BestParameters


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
    from vision.tuning import tune_training

    workspace = Workspace.from_environment()
    tracker = Tracker.open(workspace, name)
    study = _study_name(name, prepared.key, policy, model, train, tune, seed)
    with tracker.run("tune", tags={"sightline.study": study}) as parent:

        def log_trial(number: int, values: dict[str, float], curve: list[float]) -> None:
            with tracker.run(f"trial {number}", tags={}, parent=parent.run_id) as trial:
                trial.log_parameters(values)
                for epoch, accuracy in enumerate(curve):
                    trial.log_metrics({"val_accuracy": accuracy}, step=epoch)

        best = tune_training(
            prepared.labelled("train"),
            prepared.labelled("validation"),
            num_classes=len(prepared.class_names),
            policy=policy,
            model=model,
            base=train,
            tune=tune,
            seed=seed,
            study_name=study,
            storage=workspace.studies,
            on_trial=log_trial,
        )
        parent.log_parameters(best.values)
    return best


def _study_name(name: str, key: str, *settings: object) -> str:
    """The same for the same images and settings, so that an interrupted search goes on."""
    digest = hashlib.sha256(repr((key, settings)).encode()).hexdigest()
    return f"{name}-{digest[:12]}"
