"""The outermost layer: every error is JSON with a reason, every answer has the security headers.

BentoML answers an unknown path, /readyz while not ready and a fault of ours in plain text.
"""

from __future__ import annotations

import logging

from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.answers import CODES, RequestError, error_response

logger = logging.getLogger("sightline.edge")

CLASSIFY = "/v1/classify"


class Edge:
    """ASGI middleware. `api` is the app whose state holds the engine."""

    def __init__(self, app: ASGIApp, api: Starlette) -> None:
        self.app, self.api = app, api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        answer = _Answer(send)
        try:
            await self.app(scope, receive, answer.send)
        except Exception:
            logger.exception("%s %s failed", scope["method"], scope["path"])
            if answer.status:  # half an answer is out: only closing the connection can say that it failed
                raise
            answer.replaced_status = 500
        if answer.replaced_status:
            refusal = self._reason(scope, answer.replaced_status)
            await error_response(Request(scope), refusal)(scope, receive, answer.send)
        if scope["path"] == CLASSIFY:
            self.api.state.engine.metrics.count_request(CLASSIFY, answer.status)

    def _reason(self, scope: Scope, status: int) -> RequestError:
        if scope["path"] == "/readyz":
            return RequestError(503, "not_ready", self.api.state.engine.fleet.reason)
        if status == 500:
            return RequestError(500, "internal_error", "a fault of the service: its log says which")
        code, path = CODES.get(status, "error"), scope["path"][:100]
        return RequestError(status, code, f"{scope['method']} {path}: see /docs.json for what is served")


class _Answer:
    """Passes an answer on, or holds it back where it is an error that is not JSON."""

    def __init__(self, send: Send) -> None:
        self.status = self.replaced_status = 0
        self._send = send

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            is_json = Headers(raw=message["headers"]).get("content-type", "") == "application/json"
            if message["status"] >= 400 and not is_json:
                self.replaced_status = message["status"]
                return
            self.status, self.replaced_status = message["status"], 0
            MutableHeaders(raw=message["headers"])["x-content-type-options"] = "nosniff"
        if not self.replaced_status:
            await self._send(message)
