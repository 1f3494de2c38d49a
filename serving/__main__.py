"""`python -m serving [BENTO]`: the service of this folder, or of a Bento's tag.

It becomes `bentoml serve` on SIGHTLINE_HOST:SIGHTLINE_PORT, with Bento store and workspace where Sightline
keeps them.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from registry.workspace import Workspace
from serving.settings import Settings
from vision.errors import ConfigError

SERVICE = "serving.service:Sightline"


def main(arguments: list[str]) -> None:
    """Never returns: this process becomes BentoML's."""
    environment = dict(os.environ)
    try:
        Settings.from_environment(environment)
    except ConfigError as error:
        raise SystemExit(f"sightline: {error}") from None
    workspace = Workspace.from_environment()
    environment["SIGHTLINE_HOME"] = str(workspace.root)
    environment.setdefault("BENTOML_HOME", str(workspace.bentoml))
    Path(environment["BENTOML_HOME"]).mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "bentoml", "serve", arguments[0] if arguments else SERVICE]
    command += ["--host", environment.get("SIGHTLINE_HOST") or "127.0.0.1"]
    command += ["--port", environment.get("SIGHTLINE_PORT") or "3000"]
    os.execve(sys.executable, command, environment)


if __name__ == "__main__":
    main(sys.argv[1:])
