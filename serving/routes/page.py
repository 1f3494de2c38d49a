"""The page at /, and Prometheus' text."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response

from serving.engine import Engine
from serving.page import PAGE

router = APIRouter(include_in_schema=False)


@router.get("/")
async def index(request: Request) -> Response:
    """The API's description as a page."""
    return Response(PAGE, media_type="text/html")


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Prometheus' text; BentoML's OpenAPI describes the path."""
    engine: Engine = request.app.state.engine
    text = await asyncio.to_thread(engine.metrics.text)
    return Response(text, headers={"content-type": CONTENT_TYPE_LATEST})
