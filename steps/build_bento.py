"""The version that is to serve -> its Bento, which serves it anywhere."""

from __future__ import annotations

from typing import Annotated

from zenml import step

from registry.champion import find_champion
from registry.pointer import bundle_path
from registry.versions import tag_version
from registry.workspace import Workspace
from vision.promotion.decision import PromotionDecision


@step(enable_cache=False)
def build_bento(decision: PromotionDecision, version: int, name: str) -> Annotated[str, "bento_tag"]:
    """The tag of its Bento, built where there is none; empty where nothing is to serve.

    It is the candidate where the gate promotes it, so that it can be tried before it is champion; else the
    champion.
    """
    from serving.bento.build import build_bento as build
    from serving.bento.build import name_latest

    workspace = Workspace.from_environment()
    serves = version if decision.action == "promote" else _champion(workspace, name)
    if serves is None:
        return ""
    bundle = bundle_path(workspace, name, serves)
    tag = build(bundle, model=name, version=serves, bento_home=workspace.bentoml)
    tag_version(workspace, name, serves, bento_tag=tag)
    if serves == _champion(workspace, name):
        name_latest(name, serves, bento_home=workspace.bentoml)
    return tag


def _champion(workspace: Workspace, name: str) -> int | None:
    champion = find_champion(workspace, name)
    return champion.version if champion else None
