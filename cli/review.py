"""`sightline review`: a page on this machine where a person says what doubtful images show."""

from __future__ import annotations

import secrets
import socket
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import DEFAULT_CONFIG, AsJson, ConfigFile, caller
from cli.output import show_json, show_rows

if TYPE_CHECKING:
    from registry.workspace import Workspace

HOST = "127.0.0.1"
Port = Annotated[int, typer.Option(min=0, max=65_535, help="of 127.0.0.1; 0: any that is free")]


def review(port: Port = 3001, config: ConfigFile = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Label the answers that need a person, on a page; with --json say how many wait and exit."""
    from registry.workspace import Workspace
    from vision.config_file import load_config

    workspace, model = Workspace.from_environment(), load_config(config).name
    document = describe_reviews(workspace, model)
    if as_json:
        show_json(document)
    else:
        serve_reviews(workspace, model, port=port, waiting=document["waiting"])


def describe_reviews(workspace: Workspace, model: str) -> dict[str, object]:
    """How many images wait for a person, and how many labels were accepted."""
    from registry.review_queue import read_queue
    from registry.reviews import accepted

    waiting, labels = len(read_queue(workspace, model)), len(accepted(workspace, model))
    return {"model": model, "waiting": waiting, "accepted": labels}


def serve_reviews(workspace: Workspace, model: str, *, port: int, waiting: object) -> None:
    """Prints the page's address and serves it until Ctrl-C; OSError where the port is taken."""
    import uvicorn

    from serving.review.app import make_app
    from serving.review.desk import ReviewDesk

    token = secrets.token_urlsafe()
    app = make_app(ReviewDesk(workspace, model, who=caller()), token)
    with closing(_listen(port)) as listener:
        address = f"http://{HOST}:{listener.getsockname()[1]}/#{token}"
        show_rows({"open": address, "waiting": f"{waiting} images of {model}", "stop with": "Ctrl-C"})
        uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off")).run(sockets=[listener])


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        message = f"port {port} of {HOST} cannot be used ({error.strerror}): choose another with --port"
        raise OSError(message) from error
