"""The champion's weights -> where a retraining begins, if they fit; else where pre-training left off."""

from __future__ import annotations

import logging
from typing import Annotated

from zenml import step

from registry.champion import find_champion
from registry.data_revisions import read_manifest
from registry.origins import trained_network
from registry.versions import get_version
from registry.workspace import Workspace
from steps.materializers import BackboneMaterializer
from vision.augmentation_policy import AugmentationPolicy
from vision.config import Config
from vision.errors import SightlineError
from vision.manifest import Manifest
from vision.model_config import ModelConfig
from vision.prepared import PreparedImages
from vision.retraining import check_tests_unseen
from vision.training.backbone import Backbone
from vision.training_config import TrainConfig
from vision.tuning_parameters import BestParameters

logger = logging.getLogger(__name__)


def starting_champion(config: Config) -> int:
    """The version whose weights a retraining begins with: the champion, or 0 for none.

    A parameter of the step, so that another champion is another start.
    """
    champion = find_champion(Workspace.from_environment(), config.name)
    return champion.version if champion and config.retrain.from_champion else 0


@step(output_materializers={"starting_backbone": BackboneMaterializer})
def begin_from_champion(
    backbone: Backbone,
    prepared: PreparedImages,
    manifest: Manifest,
    policy: AugmentationPolicy,
    best: BestParameters,
    model: ModelConfig,
    train: TrainConfig,
    champion: int,
    name: str,
) -> tuple[Annotated[Backbone, "starting_backbone"], Annotated[str, "starting_weights"]]:
    """The weights, and what they are, "" where it is not the champion that they come from.

    They are those of the network as it was trained, before compression; its head is made anew.
    """
    from vision.training.starting_backbone import starting_backbone

    model, train, _ = best.apply(model, train, policy)
    workspace = Workspace.from_environment()
    try:
        version = get_version(workspace, name, champion)
        check_tests_unseen(read_manifest(workspace, name, version.lineage.data_revision), manifest)
        height, width = prepared.preprocessing.image_size
        start = starting_backbone(
            trained_network(workspace, version).model,  # type: ignore[attr-defined]
            model,
            (height, width, 3),
            len(prepared.class_names),
            config=train,
        )
    except SightlineError as error:
        logger.warning("training begins with what config.model says, not with the champion: %s", error)
        return backbone, ""
    return start, f"version {champion} of {name}"
