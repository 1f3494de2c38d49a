"""Who may ask, and how often: everything behind it needs a key where there are keys, and counts as a request.

Open are the probes, which orchestrators ask without a key, and the page with its files, which a browser asks
for without one; /metrics and BentoML's own descriptions are not. A WebSocket is asked for its key too.
"""

from __future__ import annotations

import ipaddress
from typing import Protocol

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.answers import RequestError, json_response
from serving.front.keys import Keys
from serving.settings import Settings

PROBES = frozenset({"/livez", "/readyz", "/healthz"})
PAGE = frozenset({"/", "/docs", "/openapi.json"})
PAGE_FOLDERS = ("/page/", "/static_content/")

# An IPv6 client has 2^64 addresses of its own (RFC 6177).
IPV6_PREFIX = 64


class Limit(Protocol):
    def check(self, caller: str) -> None:
        """RequestError (429) where the caller asks too often."""


class Gate:
    """ASGI middleware; without keys and without a rate it lets everybody through.

    A browser may open WebSockets from its own page and from `origins` only: CORS does not cover them.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        keys: Keys | None = None,
        rate: Limit | None = None,
        origins: tuple[str, ...] = (),
    ) -> None:
        self.app, self._keys, self._rate, self._origins = app, keys, rate, origins

    @classmethod
    def from_settings(cls, app: ASGIApp, settings: Settings) -> Gate:
        keys = Keys(settings.keys_file) if settings.keys_file else None
        return cls(app, keys=keys, rate=_rate(settings), origins=settings.cors_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not is_open(scope["path"]):
            try:
                self._admit(HTTPConnection(scope))
            except RequestError as refusal:
                await refuse(refusal, scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _admit(self, connection: HTTPConnection) -> None:
        if connection.scope["type"] == "websocket":
            self._check_origin(connection)
        caller = address_block(connection)
        if self._keys is not None:
            name = self._keys.name_of(presented_key(connection))
            if name is None:
                raise unauthorized()
            connection.state.key_id = caller = name
        if self._rate is not None:
            self._rate.check(caller)

    def _check_origin(self, connection: HTTPConnection) -> None:
        origin = connection.headers.get("origin")
        own = connection.headers.get("host", "")
        if origin is None or origin in self._origins or origin.partition("://")[2] == own:
            return
        message = (
            f'origin "{origin[:100]}" may not connect: the server\'s SIGHTLINE_CORS_ORIGINS allows origins'
        )
        raise RequestError(403, "origin_refused", message)


def _rate(settings: Settings) -> Limit | None:
    if settings.rate is None:
        return None
    from serving.front.rate import Rate  # the library takes 14 MB

    return Rate(settings.rate)


def is_open(path: str) -> bool:
    return path in PROBES or path in PAGE or path.startswith(PAGE_FOLDERS)


def presented_key(connection: HTTPConnection) -> bytes:
    """Of Authorization: Bearer, X-API-Key or, as a browser's WebSocket sends no header, the query's `key`."""
    scheme, _, credentials = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip().encode("utf-8", "replace")
    given = connection.headers.get("x-api-key")
    if given is None and connection.scope["type"] == "websocket":
        given = connection.query_params.get("key")
    return (given or "").encode("utf-8", "replace")


def unauthorized() -> RequestError:
    message = (
        "an API key is needed: send Authorization: Bearer KEY or X-API-Key: KEY; the operator gives keys"
    )
    headers = {"www-authenticate": 'Bearer realm="sightline"'}
    return RequestError(401, "unauthorized", message, headers=headers)


def address_block(connection: HTTPConnection) -> str:
    """The client's address, of IPv6 the network that is the client's alone."""
    address = connection.client.host if connection.client else ""
    if ":" not in address:
        return address
    return str(ipaddress.ip_network((address.partition("%")[0], IPV6_PREFIX), strict=False))


async def refuse(refusal: RequestError, scope: Scope, receive: Receive, send: Send) -> None:
    content = {"error": {"code": refusal.code, "message": refusal.message}}
    if scope["type"] == "websocket" and "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008, "reason": refusal.code})
        return
    await json_response(content, refusal.status, refusal.headers)(scope, receive, send)
