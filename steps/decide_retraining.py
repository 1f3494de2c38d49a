"""What a look found -> is a retraining due? It is recorded and told; who ran the pipeline starts it."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Annotated

from zenml import log_metadata, step

from registry.alerts import alert
from registry.drift_look import Look
from registry.monitoring import read_looks, record_look, retraining_due
from registry.workspace import Workspace
from vision.operation_config import AlertsConfig, RetrainConfig
from vision.retraining import RetrainingDecision

logger = logging.getLogger(__name__)


@step(enable_cache=False)
def decide_retraining(
    look: Look, config: RetrainConfig, alerts: AlertsConfig
) -> Annotated[RetrainingDecision, "retraining_decision"]:
    """Drift that goes on is told once."""
    workspace = Workspace.from_environment()
    decision = retraining_due(workspace, look, config, now=datetime.now(UTC))
    is_new = not _was_drift(workspace, look)
    record_look(workspace, look, decision)
    found = "; ".join(look.reasons)
    if look.is_drift and is_new:
        text = f"{found}\n{decision.reason}\n{look.page or ''}"
        alert(alerts.kinds, "drift", title=f"{look.model} version {look.version}: drift", text=text)
    # A warning, because ZenML shows no other logger's information and this is what everybody waits for.
    due = "a retraining is due" if decision.trigger else "no retraining is due"
    logger.warning("%s: %s; %s: %s", look.model, found, due, decision.reason)
    log_metadata(decision.model_dump(exclude_none=True))
    return decision


def _was_drift(workspace: Workspace, look: Look) -> bool:
    """Whether the look before found drift of the same version."""
    before = [row.look for row in read_looks(workspace, look.model)][-1:]
    return any(last.is_drift and last.digest == look.digest for last in before)
