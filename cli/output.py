"""One answer, for a person or for a program."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import typer


def show_json(document: Mapping[str, Any]) -> None:
    """The one document on standard output; paths and times as text."""
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False, default=str))


def show_rows(rows: Mapping[str, object]) -> None:
    """Labels and values in two columns; long values are not wrapped, so that paths can be copied."""
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    width = max(map(len, rows)) + 2
    for label, value in rows.items():
        console.print(f"{label:<{width}}", end="", style="bold", markup=False)
        console.print(str(value), markup=False)


def fail(message: str, *, status: int, as_json: bool) -> int:
    """The exit status; one line on standard error, whatever the message had."""
    line = "; ".join(part.strip() for part in message.splitlines() if part.strip())
    typer.echo(f"sightline: {line}", err=True)
    if as_json:
        show_json({"error": line})
    return status
