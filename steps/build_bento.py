"""The champion -> its Bento, which serves it anywhere."""

from __future__ import annotations

from typing import Annotated

from zenml import step

from registry.champion import find_champion
from registry.pointer import bundle_path
from registry.versions import tag_version
from registry.workspace import Workspace
from vision.promotion.decision import PromotionDecision


@step(enable_cache=False)
def build_bento(decision: PromotionDecision, name: str) -> Annotated[str, "bento_tag"]:
    """The tag of the champion's Bento, built where there is none; empty where there is no champion."""
    from serving.bento.build import build_bento as build

    workspace = Workspace.from_environment()
    champion = find_champion(workspace, name)
    if champion is None:
        return ""
    tag = build(
        bundle_path(workspace, name, champion.version),
        model=name,
        version=champion.version,
        bento_home=workspace.bentoml,
    )
    tag_version(workspace, name, champion.version, bento_tag=tag)
    return tag
