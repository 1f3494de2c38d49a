"""An answer in one packet: uvicorn sends its head and its body by two calls, and wakes the client twice."""

from __future__ import annotations

from asyncio import Transport

from starlette.types import Message
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle


class WholeAnswer(RequestResponseCycle):
    """Sends the head with the first of the body."""

    _start: Message | None = None

    async def send(self, message: Message) -> None:  # type: ignore[override]
        if message["type"] == "http.response.start":
            self._start = message
            return
        if self._start is None:
            await super().send(message)  # type: ignore[arg-type]
            return
        start, self._start = self._start, None
        transport, held = self.transport, _Held(self.transport)
        self.transport = held  # type: ignore[assignment]
        try:
            await super().send(start)  # type: ignore[arg-type]
            await super().send(message)  # type: ignore[arg-type]
        finally:
            self.transport = transport
            held.flush()


class _Held:
    """Of a transport, what uvicorn's cycle calls; it keeps what is written until `flush` or `close`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> None:
        self._parts.append(data)

    def flush(self) -> None:
        if self._parts:
            self._transport.write(b"".join(self._parts))
            self._parts.clear()

    def close(self) -> None:
        self.flush()
        self._transport.close()
