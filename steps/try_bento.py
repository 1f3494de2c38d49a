"""The candidate's Bento, started and asked -> the second blessing, without which it does not serve."""

from __future__ import annotations

from typing import Annotated

from zenml import log_metadata, step

from registry.pointer import bundle_path
from registry.workspace import Workspace
from vision.manifest import Manifest
from vision.promotion.blessing import Blessing
from vision.promotion.decision import PromotionDecision


@step(enable_cache=False)
def try_bento(
    bento_tag: str, decision: PromotionDecision, version: int, manifest: Manifest, name: str
) -> Annotated[Blessing, "blessing"]:
    """On golden images and validation images. What the gate does not promote is not tried, nor blessed."""
    from serving.bento.trial import choose_images
    from serving.bento.trial import try_bento as try_it

    if decision.action != "promote":
        return Blessing(given=False, reasons=(f"not tried: the gate does not promote version {version}",))
    workspace = Workspace.from_environment()
    blessing = try_it(
        bento_tag,
        bundle=bundle_path(workspace, name, version),
        images=choose_images(manifest.select("validation"), seed=version),
        bento_home=workspace.bentoml,
    )
    log_metadata(blessing.model_dump(mode="json", exclude_none=True))
    return blessing
