"""Prepared images -> a fitted classifier, and the record of its training in MLflow."""

from __future__ import annotations

import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

from zenml import log_metadata, step

from registry.workspace import Workspace
from steps.materializers import ImageClassifierMaterializer
from steps.tracking import TrackedRun, Tracker, tensorboard_callback
from vision.augmentation_policy import AugmentationPolicy
from vision.classifier import ImageClassifier
from vision.model_config import ModelConfig
from vision.prepared import PreparedImages
from vision.training.backbone import Backbone
from vision.training.record import TrainingRecord
from vision.training_config import EnsembleConfig, TrackConfig, TrainConfig
from vision.tuning_parameters import BestParameters


@step(output_materializers={"classifier": ImageClassifierMaterializer})
def train(
    prepared: PreparedImages,
    policy: AugmentationPolicy,
    best: BestParameters,
    backbone: Backbone,
    model: ModelConfig,
    config: TrainConfig,
    ensemble: EnsembleConfig,
    track: TrackConfig,
    seed: int,
    name: str,
) -> tuple[Annotated[ImageClassifier, "classifier"], Annotated[TrainingRecord, "training_record"]]:
    """Trains one model, or several as one; each epoch goes to MLflow as it ends."""
    from vision.training.train import TrainingPlan, train_classifier

    workspace = Workspace.from_environment()
    tracker = Tracker.open(workspace, name)
    tags = {"sightline.data_revision": prepared.revision}
    watched = TrackedRun.system_metrics if track.system_metrics else nullcontext
    with tracker.run(f"train {model.name}", tags=tags) as run, watched(run):
        plan = TrainingPlan(*best.apply(model, config, policy), seed, ensemble, backbone)
        run.log_parameters({**plan.as_parameters(), "prepare": prepared.preprocessing.model_dump()})
        classifier, record = train_classifier(
            prepared,
            plan,
            checkpoint=workspace.checkpoints / name,
            on_epoch=lambda epoch, metrics: run.log_metrics(metrics, step=epoch),
            callbacks=[tensorboard_callback(workspace.tensorboard / run.run_id)] if track.tensorboard else [],
        )
        run.log_metrics({"images_per_second": record.images_per_second, "training_seconds": record.seconds})
        with tempfile.TemporaryDirectory() as folder:
            classifier.runtime.save(Path(folder))
            for path in Path(folder).iterdir():
                run.log_artifact(path, "model")
    record = record.model_copy(update={"run_id": run.run_id})
    log_metadata({"epochs": record.epochs, "seconds": record.seconds, "mlflow_run": run.run_id})
    return classifier, record
