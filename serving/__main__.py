"""`python -m serving [BENTO] [--host ADDRESS] [--port NUMBER]`: this folder's service, or a Bento's.

It becomes `bentoml serve`, with Bento store and workspace where Sightline keeps them. Any other option is
BentoML's own: --ssl-certfile and --ssl-keyfile for TLS, --api-workers for more processes.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping

from registry.workspace import Workspace
from serving.settings import Settings
from vision.errors import ConfigError

SERVICE = "serving.service:Sightline"
# uvicorn's own are 5: who asks again on a connection just as it is closed gets a reset. Proxies keep theirs
# for a minute, nginx among them.
KEEP_ALIVE_SECONDS = 75


def main() -> None:
    """Never returns: this process becomes BentoML's."""
    arguments, options = _arguments(sys.argv[1:], os.environ)
    try:
        settings = Settings.from_environment(os.environ)
    except ConfigError as error:
        raise SystemExit(f"sightline: {error}") from None
    workspace = Workspace.from_environment()
    # Absolute, because BentoML's worker changes to the folder of its code.
    environment = dict(os.environ) | {"SIGHTLINE_HOME": str(workspace.root)}
    if settings.keys_file:
        environment["SIGHTLINE_KEYS_FILE"] = str(settings.keys_file.resolve())
    environment.setdefault("BENTOML_HOME", str(workspace.bentoml))
    command = [sys.executable, "-m", "bentoml", "serve", arguments.bento]
    command += ["--host", arguments.host, "--port", str(arguments.port)]
    command += ["--timeout-keep-alive", str(KEEP_ALIVE_SECONDS), *options]
    os.execve(sys.executable, command, environment)


def _arguments(words: list[str], environment: Mapping[str, str]) -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(prog="python -m serving", description=__doc__)
    # The first word or none: the value of an option that only BentoML knows is no Bento.
    bento = [] if words and not words[0].startswith("-") else [SERVICE]
    parser.add_argument("bento", help="tag of a Bento; default: the champion")
    parser.add_argument("--host", default=environment.get("SIGHTLINE_HOST") or "127.0.0.1")
    # argparse passes a default that is text through `type` too.
    parser.add_argument("--port", type=int, default=environment.get("SIGHTLINE_PORT") or "3000")
    return parser.parse_known_args([*bento, *words])


if __name__ == "__main__":
    main()
