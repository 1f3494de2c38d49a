"""The HTTP connection, bounded where uvicorn's is not: how much head, for how long, how many at a time.

uvicorn's fast protocol (httptools) reads heads of any size and waits for them for ever: a thousand sockets
on which nothing is said would leave no file descriptor for anybody else (slowloris).
"""

from __future__ import annotations

import json
import resource
from asyncio import TimerHandle, Transport
from functools import cache
from operator import itemgetter
from typing import Any, ClassVar

import uvicorn.config
from starlette.types import ASGIApp
from uvicorn.protocols.http import httptools_impl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from serving.front.whole_answer import WholeAnswer

# Of a request's path, as it is sent.
OURS = b"/v1/"
# What nginx allows (4 buffers of 8 KB); Node.js allows 16 KB. Also for what stands between parts of a body.
MAX_HEAD_BYTES = 32_768
MAX_HEADERS = 100
HEAD_SECONDS = 10.0
# In which a client that has filled its buffers reads nothing of its answer.
STALLED_SECONDS = 30.0
MAX_PIPELINED = 16
# In which the request of a new connection is waited for when the service is to end.
ARRIVAL_SECONDS = 0.5
MAX_CONNECTIONS = 4096
# Of the file descriptors that the process may have: for bundles, logs, the cache's connections.
SPARE_FILES = 128

MESSAGES = {
    "bad_http": (400, "this is not HTTP/1.1"),
    "head_too_large": (
        431,
        f"more than {MAX_HEADERS} headers, or {MAX_HEAD_BYTES} bytes of them (or of chunk extensions)",
    ),
    "too_slow": (408, f"the headers did not arrive within {HEAD_SECONDS:g} seconds"),
}


def use_bounded_connections(direct: ASGIApp | None = None) -> None:
    """Has uvicorn take this protocol: BentoML starts uvicorn itself, and passes no protocol on.

    `direct` answers what is asked below OURS: BentoML's layers around an app start a task and a timer of
    minutes for each request.
    """
    BoundedConnection.direct = direct
    httptools_impl.RequestResponseCycle = WholeAnswer  # type: ignore[misc]
    uvicorn.config.HTTP_PROTOCOLS["auto"] = f"{__name__}:BoundedConnection"


class BoundedConnection(HttpToolsProtocol):
    """Refuses in JSON, and closes, where uvicorn would go on reading."""

    direct: ClassVar[ASGIApp | None] = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.access_log = False  # the Edge has its own
        self._whole, self._direct = self.app, type(self).direct
        self._code = "bad_http"
        self._idle_bytes = 0
        self._head_until: float | None = None  # by the loop's clock; None while no head is waited for
        self._head_timer: TimerHandle | None = None
        self._write_timer: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > max_connections() and not self._end_an_idle_one():
            transport.abort()
            return
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._head_until is None and self.cycle is not None and self.cycle.response_complete:
            self._await_head()
        self._idle_bytes += len(data)
        super().data_received(data)
        if self._idle_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self._refuse("head_too_large")

    def shutdown(self) -> None:
        """Closes once what is under way is answered; of a new connection that is what it was made for."""
        seconds = 0 if self.cycle else ARRIVAL_SECONDS
        self.loop.call_later(seconds, super().shutdown)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._write_timer = self.loop.call_later(STALLED_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
        super().resume_writing()

    def on_headers_complete(self) -> None:
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > MAX_HEAD_BYTES or len(self.headers) > MAX_HEADERS or len(self.pipeline) >= MAX_PIPELINED:
            self._code = "head_too_large"
            raise ValueError(self._code)  # the parser stops, and uvicorn calls send_400_response
        self._head_until = None
        self._idle_bytes = 0
        self._unset_keepalive_if_required()  # it may have begun with the same packet
        # uvicorn gives the request to the app that stands here now.
        self.app = self._direct if self._direct and self.url.startswith(OURS) else self._whole
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._idle_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._idle_bytes = 0
        super().on_message_complete()
        if self.cycle is not None and self.cycle.response_complete:
            self._keep()

    def send_400_response(self, msg: str) -> None:
        """uvicorn's answer to what its parser refuses, in the shape of our errors."""
        self._refuse(self._code)

    def _await_head(self) -> None:
        """By one timer a connection, which looks again when it is due, for all of its requests."""
        self._head_until = self.loop.time() + HEAD_SECONDS
        if self._head_timer is None:
            self._head_timer = self.loop.call_at(self._head_until, self._look_at_head)

    def _look_at_head(self) -> None:
        self._head_timer = None
        if self._head_until is None:
            return
        if self.loop.time() >= self._head_until:
            self._refuse("too_slow")
        else:
            self._head_timer = self.loop.call_at(self._head_until, self._look_at_head)

    def _keep(self) -> None:
        """After a body that came behind its answer (a refusal need not wait for it): idle from now on.

        uvicorn's own timer began with the answer, and ended with the first of that body.
        """
        self._head_until = None
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    def _end_an_idle_one(self) -> bool:
        """Whether a kept connection, the longest idle, made room."""
        idle = [
            (each.timeout_keep_alive_task.when(), each)
            for each in self.connections
            if isinstance(each, BoundedConnection) and each.timeout_keep_alive_task
        ]
        if not idle:
            return False
        min(idle, key=itemgetter(0))[1].transport.abort()
        return True

    def _refuse(self, code: str) -> None:
        """Ends the connection, with the reason unless an answer is under way."""
        self._head_until = None
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write(_answer(code))
        self.transport.close()


@cache
def _answer(code: str) -> bytes:
    status, message = MESSAGES[code]
    body = json.dumps({"error": {"code": code, "message": message}}).encode()
    headers = b"content-type: application/json\r\nx-content-type-options: nosniff\r\nconnection: close\r\n"
    return b"%s%scontent-length: %d\r\n\r\n%s" % (STATUS_LINE[status], headers, len(body), body)


@cache
def max_connections() -> int:
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MAX_CONNECTIONS if allowed < 0 else max(16, min(MAX_CONNECTIONS, allowed - SPARE_FILES))
