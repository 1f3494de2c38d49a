"""Images without labels -> the weights of a backbone; `method: none` skips it."""

from __future__ import annotations

from typing import Annotated

from zenml import log_metadata, step

from registry.workspace import Workspace
from steps.materializers import BackboneMaterializer
from steps.tracking import Tracker
from vision.augmentation_policy import AugmentationPolicy
from vision.model_config import ModelConfig
from vision.pixel_store import PixelStore
from vision.prepared import PreparedImages
from vision.training.backbone import Backbone
from vision.training_config import PretrainConfig, TrainConfig
from vision.tuning_parameters import BestParameters
from vision.unlabelled import fingerprint_unlabelled, read_unlabelled


def fingerprint_images(config: PretrainConfig) -> str:
    """What the folder of images without labels holds, by names, sizes and times; "" where none is used.

    A parameter of the step, so that new images are noticed.
    """
    if config.method == "none" or config.images is None:
        return ""
    return fingerprint_unlabelled(config.images)


@step(output_materializers={"backbone": BackboneMaterializer})
def pretrain(
    prepared: PreparedImages,
    policy: AugmentationPolicy,
    best: BestParameters,
    model: ModelConfig,
    train: TrainConfig,
    config: PretrainConfig,
    seed: int,
    name: str,
    fingerprint: str = "",
) -> Annotated[Backbone, "backbone"]:
    """Pre-trains the network that `train` will train, on a folder of images or the training images."""
    if config.method == "none":
        return Backbone()
    from vision.training.self_supervised import pretrain_backbone

    workspace = Workspace.from_environment()
    model, train, policy = best.apply(model, train, policy)
    images = prepared.images("train")
    if config.images is not None:
        images = read_unlabelled(config.images, PixelStore(workspace.prepared, prepared.preprocessing))
    tags = {"sightline.data_revision": prepared.revision}
    with Tracker.open(workspace, name).run(f"pretrain {model.name}", tags=tags) as run:
        run.log_parameters({"model": model.model_dump(), "pretrain": config.model_dump(), "seed": seed})
        backbone, result = pretrain_backbone(
            images,
            num_classes=len(prepared.class_names),
            model=model,
            train=train,
            config=config,
            policy=policy,
            seed=seed,
            checkpoint=workspace.checkpoints / name / "pretrain",
            on_epoch=lambda epoch, metrics: run.log_metrics(metrics, step=epoch),
        )
    log_metadata({"images": len(images), "seconds": result.seconds, "fingerprint": fingerprint})
    return backbone
