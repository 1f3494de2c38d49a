"""`sightline monitor`: one look at the service, and the retraining that it calls for.

The retraining runs in this process, under the schedule's training lock: there is no order that could be lost
on its way to another process, and the lock of one that is killed ends with it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cli.options import DEFAULT_CONFIG, AsJson, ConfigFile
from cli.output import show_json, show_rows
from cli.retrain import run_retraining

if TYPE_CHECKING:
    from registry.monitoring import RecordedLook
    from registry.workspace import Workspace


def monitor(config: ConfigFile = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Look at the service's last answers; where drift or reviews call for it, train again."""
    from pipelines.monitoring import monitoring
    from registry.monitoring import read_looks
    from registry.workspace import Workspace
    from vision.config_file import load_config

    workspace = Workspace.from_environment()
    monitoring.with_options(config_path=str(config))()
    found = read_looks(workspace, load_config(config).name)[-1]
    retraining = _retrain_if_due(config, workspace, found)
    if as_json:
        show_json({**found.look.model_dump(exclude={"report"}), "retraining": retraining})
    else:
        show_rows(_rows(found, retraining))


def _retrain_if_due(config: Path, workspace: Workspace, found: RecordedLook) -> str:
    """What became of it, in words.

    It is decided again under the lock: of two looks at the same drift one starts a retraining.
    """
    from datetime import UTC, datetime

    from registry.monitoring import Retraining, retraining_due, training_lock
    from vision.config_file import load_config
    from vision.errors import TrainingRuns

    if found.decision.trigger is None:
        return f"none; {found.decision.reason}"
    settings = load_config(config).retrain
    try:
        with training_lock(workspace):
            now = datetime.now(UTC)  # and not before: what another started meanwhile would be in the future
            decision = retraining_due(workspace, found.look, settings, now=now)
            if decision.trigger is None:
                return f"none; {decision.reason}"
            start = Retraining(when=now, reason=decision.reason, trigger=decision.trigger)
            run_retraining(config, workspace, start)
            return f"done; {decision.reason}"
    except TrainingRuns as running:
        return f"none; {running}"


def _rows(found: RecordedLook, retraining: str) -> dict[str, object]:
    look = found.look
    return {
        "looked at": f"{look.model} version {look.version or 'none'}, {look.since:%Y-%m-%d %H:%M} to"
        f" {look.until:%Y-%m-%d %H:%M} UTC",
        "answers": f"{look.answers:,}, {look.judged:,} with feedback; {look.images:,} kept images"
        + (f", {look.unreadable:,} more unreadable" if look.unreadable else ""),
        look.verdict: "; ".join(look.reasons),
        "page": look.page or "none",
        "retraining": retraining,
    }
