"""`sightline promote VERSION`: that version becomes champion."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.moved import show_move, show_plan
from cli.options import DEFAULT_CONFIG, AsJson, ConfigFile, Reason, caller


def promote(
    version: Annotated[int, typer.Argument(min=1, help="number in the model registry")],
    reason: Reason = "by hand",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="open the bundle, say what would move, move nothing")
    ] = False,
    config: ConfigFile = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Make a version champion; the running service follows within seconds."""
    from registry import champion
    from registry.workspace import Workspace
    from serving.bento.build import name_latest
    from vision.config_file import load_config

    workspace, model = Workspace.from_environment(), load_config(config).name
    if dry_run:
        show_plan(champion.plan_promotion(workspace, model, version), as_json=as_json)
        return
    champion.promote(workspace, model, version, who=caller(), why=reason)
    name_latest(model, version, bento_home=workspace.bentoml)
    show_move(workspace, model, as_json=as_json)
