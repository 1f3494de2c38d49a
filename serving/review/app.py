"""The review page's HTTP: for the browser of this machine, and of its person alone.

The address has a token in its fragment, which no browser sends and no log keeps: who has it may see images
and give labels, other users of the machine may not. A page elsewhere has no token, cannot read one, and a
name of its own that leads to this machine (DNS rebinding) is refused as Host.
"""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from registry.reviews import Verdict
from serving.answers import RequestError, error_response, json_response
from serving.front.headers import NOT_STORED, SECURITY
from serving.page_files import FOLDER as SHARED
from serving.received.json_body import read_json
from serving.review.desk import ReviewDesk
from vision.errors import SightlineError

FOLDER = Path(__file__).with_name("page")
HOSTS = ("127.0.0.1", "localhost")
TOKEN_HEADER = "x-review-token"
SECONDS = 30


class Judgement(BaseModel):
    """What the page says of one answer."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    id: str = Field(pattern="^[0-9a-f]{32}$")
    verdict: Verdict
    labels: tuple[str, ...] = ()


def make_app(desk: ReviewDesk, token: str) -> Starlette:
    """The ASGI app; every request for more than the page's own files needs the token."""

    async def queue(request: Request) -> Response:
        _admit(request, token)
        return json_response(await asyncio.to_thread(desk.queue))

    async def image(request: Request) -> Response:
        _admit(request, token)
        data, media_type = await asyncio.to_thread(desk.image, request.path_params["id"])
        return Response(data, media_type=media_type)

    async def judge(request: Request) -> Response:
        _admit(request, token)
        said = await read_json(request, Judgement, code="bad_review", seconds=SECONDS)
        await asyncio.to_thread(desk.judge, said.id, said.verdict, said.labels)
        return json_response({"id": said.id})

    return Starlette(
        routes=[
            Route("/", index),
            Route("/queue", queue),
            Route("/images/{id}", image),
            Route("/reviews", judge, methods=["POST"]),
            Mount("/review", StaticFiles(directory=FOLDER)),
            Mount("/page", StaticFiles(directory=SHARED)),
        ],
        middleware=[
            Middleware(Secured),
            Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS, www_redirect=False),
        ],
        exception_handlers={RequestError: refuse, SightlineError: refuse_fault, OSError: refuse_fault},
    )


async def index(request: Request) -> Response:
    return FileResponse(FOLDER / "index.html")


async def refuse(request: Request, refusal: Exception) -> Response:
    assert isinstance(refusal, RequestError)
    return error_response(request, refusal)


async def refuse_fault(request: Request, error: Exception) -> Response:
    """A full disk, a damaged file: the page shows it, and nothing was recorded."""
    return error_response(request, RequestError(500, "not_done", str(error)))


class Secured:
    """ASGI middleware that adds the service's security headers; nothing is kept by the browser."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                for name, value in (*SECURITY, NOT_STORED):
                    MutableHeaders(scope=message)[name.decode()] = value.decode()
            await send(message)

        await self._app(scope, receive, secured)


def _admit(request: Request, token: str) -> None:
    """RequestError where the token is missing, or a page of another origin asks."""
    given = request.headers.get(TOKEN_HEADER, "").encode("utf-8", "replace")
    if not secrets.compare_digest(given, token.encode()):
        raise RequestError(403, "token_needed", "open the address that `sightline review` printed")
    origin = request.headers.get("origin")
    own = f"http://{request.headers['host']}"
    if origin not in ((own,) if request.method == "POST" else (None, own)):
        raise RequestError(403, "origin_refused", "another page asked: open the address that was printed")
