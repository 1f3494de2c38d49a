"""The window -> what one look at the service finds, its page, and its figures in MLflow."""

from __future__ import annotations

from typing import Annotated

from zenml import log_metadata, step
from zenml.types import HTMLString

from registry.drift_look import Look, look_at_service
from registry.service_window import ServiceWindow
from registry.workspace import Workspace
from steps.tracking import Tracker
from vision.operation_config import MonitorConfig


@step(enable_cache=False)
def detect_drift(
    window: ServiceWindow, config: MonitorConfig, seed: int
) -> tuple[Annotated[Look, "look"], Annotated[HTMLString, "drift_page"]]:
    """A version has one run, to which each look adds a point."""
    workspace = Workspace.from_environment()
    look, page = look_at_service(workspace, window, config, seed=seed)
    if look.version is not None:
        run = Tracker.open(workspace, look.model).lasting_run(f"monitoring version {look.version}")
        run.log_metrics(_figures(look), step=int(look.until.timestamp()))
    log_metadata({"verdict": look.verdict, "reasons": "; ".join(look.reasons), "page": str(look.page)})
    return look, HTMLString(page)


def _figures(look: Look) -> dict[str, float]:
    figures: dict[str, float] = {"answers": look.answers, "images": look.images, "drift": look.is_drift}
    if look.report is None:
        return figures
    figures |= {f"p_adjusted.{test.name}": test.p_adjusted for test in look.report.tests}
    figures |= {f"effect.{test.name}": test.effect for test in look.report.tests}
    if look.report.accuracy is not None:
        figures["estimated_accuracy"] = look.report.accuracy.estimated.value
    return figures
