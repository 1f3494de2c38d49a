"""One packet an answer."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from uvicorn.protocols.http.flow_control import FlowControl

from serving.front.whole_answer import WholeAnswer

START: dict[str, Any] = {"type": "http.response.start", "status": 200}
LOGGER = logging.getLogger("uvicorn.error")


class Wire:
    """A transport that remembers each call."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def close(self) -> None:
        self.written.append(b"closed")


def answer(*messages: dict[str, Any], keep_alive: bool = True) -> list[bytes]:
    """What is written of the messages, a call each; b"closed" where the connection is."""

    async def send() -> list[bytes]:
        wire = Wire()
        scope = {"type": "http", "method": "GET", "path": "/"}
        cycle = WholeAnswer(
            scope=scope, transport=wire, flow=FlowControl(wire), logger=LOGGER, access_logger=LOGGER,
            access_log=False, default_headers=[], message_event=asyncio.Event(), expect_100_continue=False,
            keep_alive=keep_alive, on_response=lambda: wire.written.append(b"told"),
        )  # type: ignore[arg-type]  # fmt: skip
        for message in messages:
            await cycle.send(message)
        return wire.written

    return asyncio.run(send())


def body(content: bytes, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": content, "more_body": more}


def test_head_and_body_are_one_packet() -> None:
    told, written = answer({**START, "headers": [(b"content-length", b"3")]}, body(b"abc"))

    assert written == b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc"
    assert told == b"told"


def test_a_connection_is_closed_behind_its_answer() -> None:
    start = {**START, "headers": [(b"content-length", b"3")]}

    written, closed, _ = answer(start, body(b"abc"), keep_alive=False)

    assert written.endswith(b"connection: close\r\n\r\nabc")
    assert closed == b"closed"


def test_a_stream_goes_on_after_its_first_part() -> None:
    first, second, _ = answer({**START, "headers": []}, body(b"ab", more=True), body(b"c"))

    assert first.endswith(b"transfer-encoding: chunked\r\n\r\n2\r\nab\r\n")
    assert second == b"1\r\nc\r\n0\r\n\r\n"


def test_a_body_that_is_longer_than_it_was_said_to_be_is_refused() -> None:
    with pytest.raises(RuntimeError, match="longer than Content-Length"):
        answer({**START, "headers": [(b"content-length", b"2")]}, body(b"abc"))
