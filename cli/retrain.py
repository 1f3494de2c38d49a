"""`sightline retrain`: training with the reviewed images, from the champion's weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cli.options import DEFAULT_CONFIG, AsJson, ConfigFile, Reason
from cli.status import status

if TYPE_CHECKING:
    from registry.monitoring import Retraining
    from registry.workspace import Workspace


def retrain(reason: Reason = "by hand", config: ConfigFile = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Train again, from the champion's weights; the gate decides whether the new version serves."""
    from datetime import UTC, datetime

    from registry.monitoring import Retraining, training_lock
    from registry.workspace import Workspace

    workspace = Workspace.from_environment()
    with training_lock(workspace):
        run_retraining(config, workspace, Retraining(when=datetime.now(UTC), reason=reason))
    status(config, as_json)


def run_retraining(config: Path, workspace: Workspace, start: Retraining) -> None:
    """Records it, then runs it; under the training lock.

    Killed in between, it was no retraining, and the next waits retrain.min_hours all the same.
    """
    from pipelines.retraining import retraining
    from registry.monitoring import record_retraining
    from vision.config_file import load_config

    record_retraining(workspace, load_config(config).name, start)
    retraining.with_options(config_path=str(config))(reason=start.reason)
