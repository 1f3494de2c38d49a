"""The page at / with its files, the API's description at /docs, and Prometheus' text."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response

from serving.engine import Engine
from serving.page_files import page_file

router = APIRouter(include_in_schema=False)


@router.get("/")
async def index(request: Request) -> Response:
    """Where a person tries the service."""
    return await page_file("index.html", request)


@router.get("/docs")
async def docs(request: Request) -> Response:
    """The API's description, to be read and tried."""
    return await page_file("docs.html", request)


@router.get("/page/{name}")
async def part(request: Request) -> Response:
    """What the two pages are made of."""
    return await page_file(request.path_params["name"], request)


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Prometheus' text; BentoML's OpenAPI describes the path."""
    engine: Engine = request.app.state.engine
    text = await asyncio.to_thread(engine.metrics.text)
    return Response(text, headers={"content-type": CONTENT_TYPE_LATEST})
