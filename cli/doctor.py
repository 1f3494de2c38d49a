"""`sightline doctor`: is this machine fit to train and serve, and if not, what to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import AsJson
from cli.output import show_json

if TYPE_CHECKING:
    from infra.doctor import Check

STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}
Deep = Annotated[bool, typer.Option("--deep", help="import TensorFlow too and list its devices: 5 s more")]


def doctor(deep: Deep = False, as_json: AsJson = False) -> int:
    """Check the environment and say the fix for what is wrong; exit status 1 where a check failed."""
    from dataclasses import asdict

    from infra.doctor import Surroundings, examine

    checks = examine(Surroundings.of_this_process(), deep=deep)
    failed = any(check.status == "fail" for check in checks)
    if as_json:
        show_json({"ok": not failed, "checks": [asdict(check) for check in checks]})
    else:
        _show(checks)
    return int(failed)


def _show(checks: Sequence[Check]) -> None:
    """One line a check and its fix below; not wrapped, so that a fix can be copied."""
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    width = max(len(check.name) for check in checks) + 2
    for check in checks:
        console.print(f"{check.status:<6}", style=STYLES[check.status], end="")
        console.print(f"{check.name.replace('_', ' '):<{width}}{check.found}", markup=False)
        if check.fix:
            console.print(f"{'':<{6 + width}}fix: {check.fix}", markup=False)
    counts = {status: sum(check.status == status for check in checks) for status in STYLES}
    console.print(", ".join(f"{count} {status}" for status, count in counts.items() if count))
