"""`sightline history`: who was champion from when to when, and why; with --check, whether that is true."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.options import DEFAULT_CONFIG, AsJson, ConfigFile, Reason, caller
from cli.output import show_json

if TYPE_CHECKING:
    from registry.workspace import Workspace

SHORT = 8  # of digests and commits, as git shortens them
WIDTH = 10_000  # a terminal folds a long reason, a pipe gets it whole
Check = Annotated[bool, typer.Option("--check", help="of the whole ledger; status 1 where it was edited")]
NewLedger = Annotated[
    bool,
    typer.Option("--new-ledger", help="after damage: set the old one aside, begin with who serves now"),
]


def history(
    check: Check = False,
    new_ledger: NewLedger = False,
    reason: Reason = "by hand",
    config: ConfigFile = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> int:
    """Show the champions from the first to the present one: when, why, by whom, from which data and code."""
    from registry.following import utc_now
    from registry.ledger_check import check_ledger
    from registry.new_ledger import begin_anew
    from registry.workspace import Workspace
    from vision.config_file import load_config

    workspace, model = Workspace.from_environment(), load_config(config).name
    if new_ledger:
        begin_anew(workspace, who=caller(), why=reason, when=utc_now())
    document = describe_history(workspace, model)
    damage = check_ledger(workspace) if check else ()
    if check:
        document["damage"] = [asdict(each) | {"what": str(each)} for each in damage]
    if as_json:
        show_json(document)
    else:
        _show(document)
    return int(bool(damage))


def describe_history(workspace: Workspace, model: str) -> dict[str, Any]:
    """The model's rows, oldest first, each with `until`, the time when its version's reign ended."""
    from registry.champion import history
    from registry.ledger import MOVES
    from registry.reigns import clock_went_back, reigns

    rows = history(workspace, model)
    served = reigns([row for row in rows if row.action in MOVES])
    until = {reign.move.sequence: reign.until for reign in served}
    return {
        "model": model,
        "champion": served[-1].move.version if served else None,
        "rows": [asdict(row) | {"until": until.get(row.sequence)} for row in rows],
        "clock_went_back": clock_went_back(rows),
    }


def _show(document: Mapping[str, Any]) -> None:
    from registry.pointer import MAKE_CHAMPION

    if document["rows"]:
        _show_table(document)
    else:
        typer.echo(f"{document['model']} has had no champion yet: {MAKE_CHAMPION}")
    for number in document["clock_went_back"]:
        typer.echo(f"row {number} has an earlier time than the row before it: the clock was set back")
    for damage in document.get("damage", ()):
        typer.echo(f"damaged: {damage['what']}")
    if document.get("damage") == []:
        typer.echo("the whole ledger is as it was written")


def _show_table(document: Mapping[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None)
    for title in ("row", "from (UTC)", "until", "version", "action", "data", "config", "code", "who", "why"):
        table.add_column(title, no_wrap=True)
    for row in document["rows"]:
        table.add_row(*_cells(row))
    Console(markup=False, highlight=False, soft_wrap=True, width=WIDTH).print(table)


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    until = row["until"]
    origin = (row[name] or "" for name in ("data_revision", "config_digest", "git_commit"))
    is_move = row["action"] != "repair"
    return (
        str(row["sequence"]),
        _time(row["when"]),
        _time(until) if until else "serves" if is_move else "",
        str(row["version"]),
        row["action"],
        *(text[:SHORT] for text in origin),
        row["who"],
        " ".join(row["why"].split()),
    )


def _time(when: str) -> str:
    """To the second."""
    return when[:19].replace("T", " ")
