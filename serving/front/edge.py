"""The outermost layer: request ids, errors as JSON, security headers, CORS, a log line and a count for each.

BentoML answers an unknown path, /readyz while not ready and a fault of ours in plain text.
"""

from __future__ import annotations

import logging
import random
import re
from collections.abc import Mapping
from contextvars import copy_context
from functools import cached_property, partial
from time import perf_counter, time
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.answers import CODES, RequestError, error_response
from serving.front.gate import PROBES, Gate, is_open
from serving.front.headers import secured
from serving.front.intake import LARGEST_BODIES, Intake
from serving.front.log_format import REQUEST_ID

logger = logging.getLogger("sightline.edge")
access = logging.getLogger("sightline.access")

COUNTED = "/v1/"
# The label of what the router never saw: unknown paths, and what the gate refused. A label is kept for ever.
NO_ROUTE = "other"
# nginx's status for a client that left before its answer.
LEFT = 499
REQUEST_ID_FORM = re.compile(r"[A-Za-z0-9._-]{1,64}")
READ_BY_SCRIPTS = (
    "X-Request-Id",
    "Retry-After",
    "X-Sightline-Class",
    "X-Sightline-Method",
    "X-Sightline-Version",
)
SENT_BY_SCRIPTS = (
    "Authorization",
    "X-API-Key",
    "X-Request-Id",
    "X-Client-Key",
    "X-Sightline-Arm",
    "Cache-Control",
)


class Edge:
    """ASGI middleware. `api` is the app whose state holds the engine.

    `quick` has apps of its own for what is asked most, by method and path.
    """

    def __init__(
        self, app: ASGIApp, api: Starlette, quick: Mapping[tuple[str, str], ASGIApp] | None = None
    ) -> None:
        self.app, self.api, self._quick = app, api, quick or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        begin, request_id = perf_counter(), _request_id(scope)
        REQUEST_ID.set(request_id)
        answer = _Answer(scope, send, request_id)
        try:
            await self._answer(scope, receive, answer)
        finally:
            self._record(scope, answer.status or LEFT, perf_counter() - begin)

    async def _answer(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        try:
            with self._intake.counting(receive) as counted:
                await self._guarded(scope, counted, answer.send)
        except Exception:
            logger.exception("%s %s failed, request %s", _method(scope), _place(scope), answer.request_id)
            if answer.status or scope["type"] == "websocket":
                raise  # half an answer is out: only closing the connection can say that it failed
            answer.replaced_status = 500
        if answer.replaced_status:
            refusal = self._reason(scope, answer.replaced_status)
            await error_response(Request(scope), refusal)(scope, receive, answer.send)

    # Both are made at the first request: the settings are known once the service has started.

    @cached_property
    def _guarded(self) -> ASGIApp:
        settings = self.api.state.engine.settings
        gate = Gate.from_settings(self._route, settings)
        if not settings.cors_origins:
            return gate
        return CORSMiddleware(
            gate,
            allow_origins=settings.cors_origins,
            allow_methods=("GET", "POST"),
            allow_headers=SENT_BY_SCRIPTS,
            expose_headers=READ_BY_SCRIPTS,
        )

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Our own routes at once: on their way through BentoML's app nothing is added but time."""
        app = self.api if scope["path"].startswith(COUNTED) else self.app
        await self._quick.get((_method(scope), scope["path"]), app)(scope, receive, send)

    @cached_property
    def _intake(self) -> Intake:
        return Intake(LARGEST_BODIES * self.api.state.engine.settings.max_body_bytes)

    def _reason(self, scope: Scope, status: int) -> RequestError:
        if scope["path"] == "/readyz":
            return RequestError(503, "not_ready", self.api.state.engine.fleet.reason)
        if status == 500:
            return RequestError(500, "internal_error", "a fault of the service: its log says which")
        code, path = CODES.get(status, "error"), scope["path"][:100]
        return RequestError(status, code, f"{scope['method']} {path}: see /docs.json for what is served")

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        """Counts and logs the request; probes that were answered would fill the log with themselves."""
        engine = self.api.state.engine
        if scope["path"].startswith(COUNTED):
            engine.metrics.count_request(_route(scope), status)
        if scope["path"] not in PROBES or status != 200:
            line = partial(_log, scope, status, seconds, answered=time())
            engine.afterwards.put(partial(copy_context().run, line))  # whose request and trace the line names


def _log(scope: Scope, status: int, seconds: float, *, answered: float) -> None:
    """A line of the access log; `answered`, in seconds since 1970, is its time."""
    state = scope["state"]
    told = {
        "method": _method(scope),
        "route": _place(scope),
        "status": status,
        "milliseconds": round(seconds * 1000, 1),
        "key": state.get("key_id", "-"),
    }
    message = "%s %s %d, %g ms, key %s, request %s"
    line = {"msg": message, "args": (*told.values(), state["request_id"]), "created": answered}
    level = {"levelno": logging.INFO, "levelname": "INFO", "msecs": answered % 1 * 1000}
    if access.isEnabledFor(logging.INFO):
        access.handle(logging.makeLogRecord({"name": access.name, **level, **line, **told}))


class _Answer:
    """Passes an answer on with our headers, or holds it back where it is an error that is not JSON."""

    def __init__(self, scope: Scope, send: Send, request_id: str) -> None:
        self.status = self.replaced_status = 0
        self.request_id = request_id
        self._is_http, self._may_store = scope["type"] == "http", is_open(scope["path"])
        self._send = send

    async def send(self, message: Message) -> None:
        if message["type"].endswith("http.response.start"):
            if self._is_http and message["status"] >= 400 and not _is_json(message):
                self.replaced_status = message["status"]
                return
            self.status, self.replaced_status = message["status"], 0
            message = self._secured(message)
        elif message["type"] == "websocket.accept":
            self.status = 101
            message = self._secured(message)
        if not self.replaced_status:
            await self._send(message)

    def _secured(self, message: Message) -> Message:
        headers = message.get("headers", ())
        may_store = self._may_store and self.status < 400
        return {**message, "headers": secured(headers, request_id=self.request_id, may_store=may_store)}


def _is_json(message: Message) -> bool:
    return Headers(raw=message["headers"]).get("content-type", "") == "application/json"


def _request_id(scope: Scope) -> str:
    """The client's own where it is of a harmless form; it is put into the request's state."""
    received = Headers(scope=scope).get("x-request-id", "")
    request_id = received if REQUEST_ID_FORM.fullmatch(received) else f"{random.getrandbits(128):032x}"
    scope.setdefault("state", {})["request_id"] = request_id
    return request_id


def _method(scope: Scope) -> str:
    return str(scope.get("method", "WEBSOCKET"))


def _route(scope: Scope) -> str:
    """The template; a mounted app that hides its own routes has an empty one."""
    return str(getattr(scope.get("route"), "path", "") or NO_ROUTE)


def _place(scope: Scope) -> str:
    """The route's template, or the path that nothing is at: for the log, so without line breaks or query."""
    route = _route(scope)
    return quote(scope["path"][:100]) if route == NO_ROUTE else route
