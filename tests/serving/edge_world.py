"""An edge before a small API, for tests: what it counted is kept."""

from __future__ import annotations

import asyncio
from collections import Counter
from types import SimpleNamespace
from typing import Any

import httpx
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.websockets import WebSocket

from serving.afterwards import Afterwards
from serving.answers import RequestError, error_response
from serving.front.edge import Edge
from serving.schemas.answers import ErrorAnswer
from serving.settings import Settings


def make_api() -> FastAPI:
    api = FastAPI(openapi_url=None)

    @api.post("/v1/echo")
    async def echo(request: Request) -> Response:
        return Response(await request.body())

    @api.get("/v1/items/{name}")
    async def item(request: Request) -> Response:
        return PlainTextResponse(getattr(request.state, "key_id", "nobody"))

    @api.get("/v1/fault")
    async def fault(request: Request) -> Response:
        raise ZeroDivisionError("of /secret/path")

    @api.get("/")
    @api.get("/livez")
    @api.get("/page/app.js")
    @api.get("/metrics")
    async def plain(request: Request) -> Response:
        return PlainTextResponse("here")

    @api.websocket("/v1/live")
    async def live(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text(getattr(socket.state, "key_id", "nobody"))
        await socket.close()

    @api.exception_handler(RequestError)
    async def refuse(request: Request, refusal: RequestError) -> Response:
        return error_response(request, refusal)

    return api


class World:
    """An edge before a small API, and what it counted."""

    def __init__(self, **settings: object) -> None:
        api = make_api()
        self.counted: Counter[tuple[str, int]] = Counter()
        api.state.engine = SimpleNamespace(
            settings=Settings.model_validate(settings),
            metrics=SimpleNamespace(count_request=lambda *labels: self.counted.update([labels])),
            fleet=SimpleNamespace(reason="no champion yet"),
            afterwards=Afterwards(),
        )
        self.edge = Edge(api, api=api)

    def ask(
        self, path: str, method: str = "GET", *, address: str = "192.0.2.1", **options: Any
    ) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.edge, raise_app_exceptions=False, client=(address, 5))
            async with httpx.AsyncClient(transport=transport, base_url="http://sightline") as client:
                return await client.request(method, path, **options)

        return asyncio.run(ask())


def refused(response: httpx.Response) -> tuple[int, str]:
    error = ErrorAnswer.model_validate_json(response.content).error
    assert "secret" not in error.message
    return response.status_code, error.code
