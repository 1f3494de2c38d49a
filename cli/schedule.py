"""`sightline schedule`: retrain by the cron line of the YAML, until stopped."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from cli.options import DEFAULT_CONFIG, AsJson, ConfigFile
from cli.output import show_json, show_rows

if TYPE_CHECKING:
    from registry.workspace import Workspace

SHOWN = 3


def schedule(config: ConfigFile = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Retrain by the cron line of the YAML until stopped; with --json show the next runs and exit."""
    from infra.scheduler import run_schedule
    from registry.workspace import Workspace

    workspace = Workspace.from_environment()
    if as_json:
        show_json(_document(config, workspace))
    else:
        run_schedule(config, workspace, announce=_announce)


def _document(config: ConfigFile, workspace: Workspace) -> dict[str, object]:
    from dataclasses import asdict

    from infra.firing import read_firings
    from infra.scheduler import next_firings
    from vision.config_file import load_config

    firings = read_firings(workspace.schedule)
    return {
        "cron": load_config(config).schedule.training,
        "next": [time.isoformat() for time in next_firings(config, SHOWN)],
        "last": asdict(firings[-1]) if firings else None,
    }


def _announce(time: datetime) -> None:
    missed = time <= datetime.now(time.tzinfo)
    when = "now, for what was missed" if missed else f"{time:%Y-%m-%d %H:%M %Z}"
    show_rows({"next training": when, "stop with": "Ctrl-C"})
