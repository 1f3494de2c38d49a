"""The whole service in the test's own process: no socket, but BentoML's application with all its layers."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from starlette.datastructures import State

from registry.workspace import Workspace
from serving.settings import PREFIX

SECONDS = 20.0


@dataclass(frozen=True)
class InProcess:
    """Asks from any thread; the service's event loop runs in another."""

    application: Any
    portal: BlockingPortal
    client: httpx.AsyncClient
    state: State  # of the API

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.portal.call(partial(self.client.get, path, **options))

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.portal.call(partial(self.client.post, path, **options))

    def connect(self, path: str, headers: Mapping[str, str] | None = None) -> Connection:
        return Connection(self, path, headers or {})


class Connection:
    """A WebSocket as the client has it (ASGI 3.0, "WebSocket")."""

    def __init__(self, service: InProcess, path: str, headers: Mapping[str, str]) -> None:
        self._portal = service.portal
        self._sent, self._received = asyncio.Queue[Any](), asyncio.Queue[Any]()
        pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
        scope = {"type": "websocket", "path": path, "query_string": b"", "headers": pairs, "subprotocols": []}
        self._send({"type": "websocket.connect"})
        self.task = self._portal.start_task_soon(
            service.application, scope, self._sent.get, self._received.put
        )

    def send(self, content: bytes | str) -> None:
        name = "bytes" if isinstance(content, bytes) else "text"
        self._send({"type": "websocket.receive", name: content})

    def receive(self) -> dict[str, Any]:
        """The service's next message, whatever it is."""

        async def next_message() -> dict[str, Any]:
            return dict(await asyncio.wait_for(self._received.get(), SECONDS))

        return self._portal.call(next_message)

    def answer(self) -> Any:
        """What the next text message says."""
        message = self.receive()
        return json.loads(message["text"]) if message["type"] == "websocket.send" else message

    def leave(self) -> None:
        """Returns when the service has let go of the connection."""
        self._send({"type": "websocket.disconnect", "code": 1001})
        self.task.result(SECONDS)

    def _send(self, message: dict[str, Any]) -> None:
        self._portal.call(self._sent.put, message)


@contextmanager
def in_process(workspace: Workspace, **settings: object) -> Iterator[InProcess]:
    """The workspace's champion, served and ready, with those settings; one may be started inside another."""
    from serving.api import app
    from serving.service import Sightline

    with pytest.MonkeyPatch.context() as patch, start_blocking_portal() as portal:
        patch.setattr(app, "state", State())
        for name in [name for name in os.environ if name.startswith(PREFIX)]:
            patch.delenv(name)
        patch.setenv("SIGHTLINE_HOME", str(workspace.root))
        for name, value in settings.items():
            patch.setenv(PREFIX + name.upper(), str(value))
        application = Sightline.to_asgi()  # type: ignore[attr-defined]
        transport = httpx.ASGITransport(application, raise_app_exceptions=False)
        client = httpx.AsyncClient(transport=transport, base_url="http://sightline", timeout=SECONDS)
        with (
            portal.wrap_async_context_manager(application.router.lifespan_context(application)),
            portal.wrap_async_context_manager(client),
        ):
            service = InProcess(application, portal, client, app.state)
            until = time.monotonic() + SECONDS
            while service.get("/readyz").status_code != 200:
                assert time.monotonic() < until
                time.sleep(0.02)
            yield service
