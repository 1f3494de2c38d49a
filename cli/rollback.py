"""`sightline rollback`: the champion before the present one is champion again."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.moved import show_move, show_plan
from cli.options import DEFAULT_CONFIG, AsJson, ConfigFile, Reason, caller


def rollback(
    to: Annotated[int | None, typer.Option("--to", min=1, help="an earlier champion")] = None,
    reason: Reason = "by hand",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="open the bundle, say what would move, move nothing")
    ] = False,
    config: ConfigFile = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Go back to the champion before this one, or to an earlier champion."""
    from registry import champion
    from registry.workspace import Workspace
    from serving.bento.build import name_latest
    from vision.config_file import load_config

    workspace, model = Workspace.from_environment(), load_config(config).name
    if dry_run:
        show_plan(champion.plan_rollback(workspace, model, to=to), as_json=as_json)
        return
    pointer = champion.rollback(workspace, model, to=to, who=caller(), why=reason)
    name_latest(model, pointer.version, bento_home=workspace.bentoml)
    show_move(workspace, model, as_json=as_json)
