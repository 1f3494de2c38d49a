"""What promote and rollback answer: the ledger's row of the present champion, or what a dry run found."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from cli.output import show_json, show_rows

if TYPE_CHECKING:
    from registry.champion import PlannedMove
    from registry.workspace import Workspace


def show_move(workspace: Workspace, model: str, *, as_json: bool) -> None:
    """Prints who is champion now, and since when; the same for a version that was champion already."""
    from registry.following import last_move

    move = last_move(workspace, model)
    assert move is not None, "a promotion leaves a row"
    if as_json:
        show_json(asdict(move))
        return
    show_rows(
        {
            "champion": f"{model} version {move.version}",
            "before": _version(move.previous_version),
            move.action: f"{move.when} by {move.who}: {move.why}",
        }
    )


def show_plan(planned: PlannedMove, *, as_json: bool) -> None:
    """Prints what the move would be; the bundle was opened, nothing was moved."""
    target = planned.target
    if as_json:
        show_json(
            {
                "dry_run": True,
                "action": planned.action,
                "is_needed": planned.is_needed,
                "previous_version": planned.previous_version,
                "bundle": target.bundle,
                **asdict(planned.pointer),
            }
        )
        return
    would = f"version {target.version} would be champion of {target.model}"
    show_rows(
        {
            planned.action: would if planned.is_needed else f"version {target.version} is champion already",
            "now": _version(planned.previous_version),
            "bundle": f"{target.bundle} opens and gives the golden answers",
            "dry run": "nothing was moved",
        }
    )


def _version(number: int | None) -> str:
    return "none" if number is None else f"version {number}"
