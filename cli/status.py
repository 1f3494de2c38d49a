"""`sightline status`: which version is champion, how good it is, where its files are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cli.options import DEFAULT_CONFIG, AsJson, ConfigFile
from cli.output import show_json, show_rows

if TYPE_CHECKING:
    from registry.workspace import Workspace


def status(config: ConfigFile = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Show the champion: version, test metrics, bundle, report, Bento, who promoted it and why."""
    from registry.workspace import Workspace
    from vision.config_file import load_config

    document = describe_champion(Workspace.from_environment(), load_config(config).name)
    if as_json:
        show_json(document)
    else:
        show_rows(_rows(document))


def describe_champion(workspace: Workspace, model: str) -> dict[str, Any]:
    """What is known of the champion; NoChampion where there is none. Repairs what a crash left behind."""
    from registry.champion import champion, history, repair
    from registry.ledger import MOVES
    from registry.versions import get_version

    repair(workspace, model)  # first: a ledger that lost its rows is no model without a champion
    version = champion(workspace, model).version
    registered = get_version(workspace, model, version)
    move = next(row for row in reversed(history(workspace, model)) if row.action in MOVES)
    return {
        "model": model,
        "version": version,
        "metrics": {name: estimate.model_dump() for name, estimate in registered.metrics.items()},
        "bundle": registered.bundle,
        "digest": registered.digest,
        "report": registered.report,
        "bento_tag": registered.bento_tag,
        "lineage": vars(registered.lineage),
        "promoted": {"action": move.action, "when": move.when, "who": move.who, "why": move.why},
    }


def _rows(document: Mapping[str, Any]) -> dict[str, object]:
    moved = document["promoted"]
    metrics = {
        f"test {name.replace('_', ' ')}": f"{value['value']:.4f}  95 % {value['low']:.4f}-{value['high']:.4f}"
        for name, value in document["metrics"].items()
    }
    return {
        "champion": f"{document['model']} version {document['version']}",
        **metrics,
        "report": document["report"] or "none",
        "bundle": document["bundle"],
        "Bento": document["bento_tag"] or "none built",
        moved["action"]: f"{moved['when']} by {moved['who']}: {moved['why']}",
        "next": "make serve",
    }
