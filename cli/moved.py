"""What promote and rollback answer: the ledger's row of the present champion."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from cli.output import show_json, show_rows

if TYPE_CHECKING:
    from registry.workspace import Workspace


def show_move(workspace: Workspace, model: str, *, as_json: bool) -> None:
    """Prints who is champion now, and since when; the same for a version that was champion already."""
    from registry.following import last_move

    move = last_move(workspace, model)
    assert move is not None, "a promotion leaves a row"
    if as_json:
        show_json(asdict(move))
        return
    before = "none" if move.previous_version is None else f"version {move.previous_version}"
    show_rows(
        {
            "champion": f"{model} version {move.version}",
            "before": before,
            move.action: f"{move.when} by {move.who}: {move.why}",
        }
    )
