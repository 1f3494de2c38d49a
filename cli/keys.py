"""`sightline keys add NAME`, `list`, `remove NAME`: who may ask the service."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from cli.options import AsJson
from cli.output import show_json, show_rows

keys = typer.Typer(help="API keys of the service; it follows them within seconds.")

KeyName = Annotated[str, typer.Argument(help="whose key it is: letters, digits, '.', '_' or '-'")]


@keys.command()
def add(name: KeyName, as_json: AsJson = False) -> None:
    """Make a key and show it, this once: the file keeps its digest alone."""
    from serving.front.keys import add_key

    file = _file()
    token = add_key(file, name, now=datetime.now(UTC))
    if as_json:
        show_json({"name": name, "key": token, "file": file})
        return
    show_rows(
        {
            "key": token,
            "keep it": "it is not shown again, and not kept here",
            "next": f"the service asks for keys where it runs with SIGHTLINE_KEYS_FILE={file}",
        }
    )


@keys.command("list")
def show(as_json: AsJson = False) -> None:
    """Show the names of the keys and when they were made."""
    from serving.front.keys import read_keys

    file = _file()
    found = read_keys(file)
    if as_json:
        rows = [{"name": key.name, "created": key.created.isoformat()} for key in found]
        show_json({"file": file, "keys": rows})
        return
    show_rows({key.name: f"made {key.created:%Y-%m-%d %H:%M %Z}" for key in found} or {"keys": "none"})


@keys.command()
def remove(name: KeyName, as_json: AsJson = False) -> None:
    """Remove a key: the service refuses it within seconds."""
    from serving.front.keys import remove_key

    file = _file()
    remove_key(file, name)
    if as_json:
        show_json({"removed": name, "file": file})
    else:
        show_rows({"removed": name})


def _file() -> Path:
    """SIGHTLINE_KEYS_FILE, or keys.json in the workspace."""
    from registry.workspace import Workspace
    from serving.settings import Settings

    file = Settings.from_environment().keys_file
    return file.resolve() if file else Workspace.from_environment().root / "keys.json"
