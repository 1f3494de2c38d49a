"""The gate's decision and the Bento's blessing -> the champion, moved where both are given."""

from __future__ import annotations

import json
import logging
from typing import Annotated

from zenml import log_metadata, step

from registry.alerts import alert
from registry.champion import promote as promote_version
from registry.champion import repair
from registry.workspace import Workspace
from vision.operation_config import AlertsConfig
from vision.promotion.blessing import Blessing
from vision.promotion.decision import PromotionDecision, confirm

logger = logging.getLogger(__name__)
WHO = "the gate"


@step(enable_cache=False)
def promote(
    version: int, decision: PromotionDecision, blessing: Blessing, name: str, alerts: AlertsConfig
) -> Annotated[PromotionDecision, "promotion"]:
    """What was done; PromotionConflict where another became champion since the gate compared."""
    from serving.bento.build import name_latest

    workspace = Workspace.from_environment()
    repair(workspace, name)  # what a killed run began: else its champion is never served
    final = confirm(decision, blessing)
    why = "; ".join(final.reasons)
    if final.action == "promote":
        gate = json.dumps({"decision": final.model_dump(), "blessing": blessing.model_dump()})
        promote_version(workspace, name, version, who=WHO, why=why, gate=gate, expected=final.champion)
        name_latest(name, version, bento_home=workspace.bentoml)
    said = f"{name} version {version}, decision: {final.action}"
    # A warning, because ZenML shows no other logger's information and this is what everybody waits for.
    logger.warning("%s: %s", said, why)
    log_metadata({"action": final.action, "reasons": why})
    if final.checks:  # a nightly run on unchanged data has nothing to tell
        alert(alerts.kinds, "gate", title=said, text=why)
    return final
