"""Images without labels -> the weights of a backbone; `method: none` skips it."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, ClassVar

import numpy as np
from zenml import log_metadata, step
from zenml.enums import ArtifactType
from zenml.io import fileio
from zenml.materializers.base_materializer import BaseMaterializer

from registry.workspace import Workspace
from steps.tracking import Tracker
from vision.augmentation_policy import AugmentationPolicy
from vision.config import ModelConfig
from vision.pixel_store import PixelStore
from vision.prepared import PreparedImages
from vision.training.backbone import Backbone
from vision.training_config import PretrainConfig, TrainConfig
from vision.tuning_parameters import BestParameters
from vision.unlabelled import read_unlabelled


class BackboneMaterializer(BaseMaterializer):
    """One npz file, an array a weight."""

    ASSOCIATED_TYPES: ClassVar[tuple[type, ...]] = (Backbone,)
    ASSOCIATED_ARTIFACT_TYPE = ArtifactType.MODEL

    def save(self, data: Backbone) -> None:
        with fileio.open(self._file, "wb") as file:
            np.savez(file, *data.weights)

    def load(self, data_type: type[Any]) -> Backbone:
        with fileio.open(self._file, "rb") as file, np.load(file) as stored:
            return Backbone(tuple(stored[f"arr_{place}"] for place in range(len(stored.files))))

    def compute_content_hash(self, data: Backbone) -> str:
        digest = hashlib.sha256()
        for weight in data.weights:
            digest.update(f"{weight.dtype}{weight.shape}".encode())
            digest.update(np.ascontiguousarray(weight).data)
        return digest.hexdigest()

    @property
    def _file(self) -> str:
        return f"{self.uri}/backbone.npz"


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
    log_metadata({"images": len(images), "seconds": result.seconds})
    return backbone
