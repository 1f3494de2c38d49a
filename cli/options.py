"""The options that every verb takes."""

from __future__ import annotations

import getpass
import os
import socket
from pathlib import Path
from typing import Annotated

import typer

ConfigFile = Annotated[
    Path, typer.Option("--config", help="the run's YAML: names the model", show_default=True)
]
AsJson = Annotated[bool, typer.Option("--json", help="print one JSON document on standard output")]
Reason = Annotated[str, typer.Option("--reason", help="why, for the ledger")]

DEFAULT_CONFIG = Path("zenml_config.yaml")


def caller() -> str:
    """user@host, for the ledger."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container may run under a number that has no name
        user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}"
