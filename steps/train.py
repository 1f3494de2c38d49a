"""Prepared images -> a fitted classifier, and the record of its training in MLflow."""

from __future__ import annotations

from typing import Annotated

from zenml import log_metadata, step

from registry.workspace import Workspace
from steps.materializers import ImageClassifierMaterializer
from steps.tracking import Tracker
from vision.augmentation_policy import AugmentationPolicy
from vision.classifier import ImageClassifier
from vision.config import ModelConfig
from vision.prepared import PreparedImages
from vision.training.record import TrainingRecord
from vision.training_config import TrainConfig
from vision.tuning_parameters import BestParameters


@step(output_materializers={"classifier": ImageClassifierMaterializer})
def train(
    prepared: PreparedImages,
    policy: AugmentationPolicy,
    best: BestParameters,
    model: ModelConfig,
    config: TrainConfig,
    seed: int,
    name: str,
) -> tuple[Annotated[ImageClassifier, "classifier"], Annotated[TrainingRecord, "training_record"]]:
    """Trains one model; each epoch goes to MLflow as it ends."""
    from vision.training.train import train_classifier

    tracker = Tracker.open(Workspace.from_environment(), name)
    tags = {"sightline.data_revision": prepared.revision}
    with tracker.run(f"train {model.name}", tags=tags) as run:
        settings = best.apply(config)
        run.log_parameters(
            {
                "model": model.model_dump(),
                "train": settings.model_dump(),
                "augment": policy.model_dump(),
                "prepare": prepared.preprocessing.model_dump(),
                "seed": seed,
            }
        )
        classifier, record = train_classifier(
            prepared,
            policy=policy,
            model=model,
            config=settings,
            seed=seed,
            on_epoch=lambda epoch, metrics: run.log_metrics(metrics, step=epoch),
        )
        run.log_metrics({"images_per_second": record.images_per_second, "training_seconds": record.seconds})
    record = record.model_copy(update={"run_id": run.run_id})
    log_metadata({"epochs": record.epochs, "seconds": record.seconds, "mlflow_run": run.run_id})
    return classifier, record
