"""The HTTP connection's bounds, over sockets: heads that are large, slow, many or malformed."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from serving.front import connection
from serving.front.connection import MAX_HEAD_BYTES, MAX_HEADERS, MAX_PIPELINED, BoundedConnection

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[Any]]
GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
LATE = 0.15


LARGE = 30_000_000


async def application(scope, receive, send) -> None:
    """Answers with the size of the body, unread with none, late, or with a large one."""
    if scope["path"] == "/large":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(LARGE // 100_000):
            await send({"type": "http.response.body", "body": b"0" * 100_000, "more_body": True})
        return
    if scope["path"] == "/late":
        await asyncio.sleep(1.2)
    size, more = 0, scope["path"] != "/unread"
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size, more = size + len(message["body"]), message["more_body"]
    body = b"%d bytes" % size
    head = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": body})


def serve(talk: Talk, *, clients: int = 1, keep_alive: int = 75) -> list[Any]:
    """What each client's talk with a server gives."""

    async def run() -> list[Any]:
        loop, state = asyncio.get_running_loop(), ServerState()
        config = uvicorn.Config(
            application, log_config=None, lifespan="off", proxy_headers=False, timeout_keep_alive=keep_alive
        )
        config.load()
        listening = await loop.create_server(lambda: BoundedConnection(config, state, {}), "127.0.0.1", 0)
        port = listening.sockets[0].getsockname()[1]
        async with listening:
            return await asyncio.gather(*(visit(port) for _ in range(clients)))

    async def visit(port: int) -> Any:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            return await asyncio.wait_for(talk(reader, writer), 10)
        finally:
            writer.close()

    return asyncio.run(run())


def send(*pieces: bytes, pause: float = 0) -> Talk:
    """Sends the pieces, for as long as anybody reads them, and gives all that came back until the end."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        try:
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(pause)
            return await reader.read()
        except ConnectionResetError:
            return b""

    return talk


def refusal(answer: bytes) -> tuple[int, str]:
    """Status and code of the last answer, after which the connection was closed."""
    head, _, body = answer.rpartition(b"\r\n\r\n")
    assert b"connection: close" in head
    return int(head.rsplit(b"HTTP/1.1 ", 1)[1][:3]), json.loads(body)["error"]["code"]


@pytest.fixture(autouse=True)
def short_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEAD_SECONDS", LATE)
    monkeypatch.setattr(connection, "STALLED_SECONDS", LATE)


def test_ordinary_requests_are_answered_one_after_the_other() -> None:
    async def talk(reader, writer) -> list[bytes]:
        answers = []
        for request in (GET, POST + b"3\r\nabc\r\n0\r\n\r\n", GET):
            writer.write(request)
            answers.append((await reader.readuntil(b"bytes")).split(b"\r\n\r\n")[1])
            await asyncio.sleep(LATE / 3)
        return answers

    assert serve(talk) == [[b"0 bytes", b"3 bytes", b"0 bytes"]]


def test_a_body_may_take_longer_than_a_head() -> None:
    chunks = [b"1\r\na\r\n"] * 5

    async def talk(reader, writer) -> bytes:
        for piece in (POST, *chunks, b"0\r\n\r\n"):
            writer.write(piece)
            await asyncio.sleep(LATE / 3)
        return await reader.readuntil(b"bytes")

    assert serve(talk)[0].endswith(b"5 bytes")


def test_a_large_body_is_no_large_head() -> None:
    size = 40 * MAX_HEAD_BYTES

    async def talk(reader, writer) -> bytes:
        writer.write(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % size + b"0" * size)
        return await reader.readuntil(b"bytes")

    assert serve(talk)[0].endswith(b"%d bytes" % size)


def test_a_connection_is_kept_when_its_request_was_answered_before_its_body_came() -> None:
    begun = POST.replace(b"/", b"/unread", 1) + b"3\r\n"

    async def talk(reader, writer) -> list[bytes]:
        answers = []
        for piece, pause in ((begun, 0), (b"abc\r\n0\r\n\r\n", 3 * LATE), (GET, 0)):
            writer.write(piece)
            await asyncio.sleep(pause)
            if not pause:
                answers.append(await reader.readuntil(b"bytes"))
        return answers

    assert [b"200 OK" in answer for answer in serve(talk)[0]] == [True, True]


def test_a_connection_whose_body_came_after_the_answer_ends_as_any_idle_one() -> None:
    begun = POST.replace(b"/", b"/unread", 1) + b"3\r\n"

    async def talk(reader, writer) -> bytes:
        writer.write(begun)
        await reader.readuntil(b"bytes")
        writer.write(b"abc\r\n0\r\n\r\n")
        return await reader.read()

    assert serve(talk, keep_alive=1) == [b""]


def test_a_request_that_came_with_the_rest_of_such_a_body_is_not_idle() -> None:
    begun, late = (POST.replace(b"/", path, 1) + b"3\r\n" for path in (b"/unread", b"/late"))

    async def talk(reader, writer) -> bytes:
        writer.write(begun)
        await reader.readuntil(b"bytes")
        writer.write(b"abc\r\n0\r\n\r\n" + late + b"abc\r\n0\r\n\r\n")
        return await reader.readuntil(b"bytes")

    assert serve(talk, keep_alive=1)[0].endswith(b"3 bytes")


LINE = b"x: " + b"0" * 1000 + b"\r\n"
TOO_LARGE = {
    "one endless header": [GET[:-2], b"x: ", *[b"0" * 10_000] * 1000],
    "one endless header at once": [GET[:-2] + b"x: " + b"0" * 2_000_000],
    "many bytes of headers": [GET[:-2] + LINE * 40 + b"\r\n"],
    "many headers": [GET[:-2] + b"x: 1\r\n" * MAX_HEADERS + b"\r\n"],
    "10,000 headers": [GET[:-2], *[b"x: 1\r\n" * 100] * 100, b"\r\n"],
    "an endless address": [b"GET /", *[b"a" * 10_000] * 1000],
    "endless chunk extensions": [POST, b"1;", *[b"a" * 10_000] * 1000],
    "endless trailers": [POST, b"0\r\nx: ", *[b"0" * 10_000] * 1000],
}  # fmt: skip


@pytest.mark.parametrize("name", TOO_LARGE)
def test_a_head_that_is_too_large_is_left(name) -> None:
    [answer] = serve(send(*TOO_LARGE[name]))

    # A client that goes on sending may see the connection reset before it reads the reason.
    assert answer == b"" or refusal(answer) == (431, "head_too_large")


@pytest.mark.parametrize("name", ["many headers", "many bytes of headers"])
def test_a_client_that_reads_is_told_why(name) -> None:
    assert refusal(serve(send(*TOO_LARGE[name]))[0]) == (431, "head_too_large")


SLOW = {
    "silence": [b""],
    "byte by byte": [bytes([letter]) for letter in GET * 100],
    "line breaks without end": [b"\r\n"] * 1000,
    "second head byte by byte": [GET, *[bytes([letter]) for letter in GET * 100]],
    "line breaks after an answer": [GET, *[b"\r\n"] * 1000],
}


@pytest.mark.parametrize("name", SLOW)
def test_a_head_that_does_not_arrive_is_given_up(name) -> None:
    begin = time.monotonic()

    answers = serve(send(*SLOW[name], pause=LATE / 10), clients=3)

    assert {refusal(answer) for answer in answers if answer} <= {(408, "too_slow")}
    assert time.monotonic() - begin < 20 * LATE


MALFORMED = {
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 100,
    "two lengths": b"POST / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
    "length and chunks": POST[:-2] + b"content-length: 3\r\n\r\n0\r\n\r\n",
    "negative length": b"POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
    "length of a planet": b"POST / HTTP/1.1\r\ncontent-length: " + b"9" * 40 + b"\r\n\r\n",
    "wrong chunk": POST + b"zz\r\n",
    "folded header": b"GET / HTTP/1.1\r\nhost: a\r\n folded\r\n\r\n",
    "no method": b"/ HTTP/1.1\r\n\r\n",
    "zero byte": b"GET /\0 HTTP/1.1\r\nhost: a\r\n\r\n",
}


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_no_http_is_refused_in_our_shape(name) -> None:
    [answer] = serve(send(MALFORMED[name]))

    # Behind a head that was read, the application may be answering already: then there is only the end.
    assert answer == b"" or refusal(answer) == (400, "bad_http")


def test_pipelined_requests_are_answered_up_to_a_bound() -> None:
    async def talk(reader, writer) -> bytes:
        writer.write(GET * MAX_PIPELINED)
        return b"".join([await reader.readuntil(b"bytes") for _ in range(MAX_PIPELINED)])

    assert serve(talk)[0].count(b"200 OK") == MAX_PIPELINED
    assert serve(send(GET * 5000))[0].count(b"200 OK") <= MAX_PIPELINED + 1


def test_more_connections_than_allowed_are_closed_at_once(monkeypatch) -> None:
    monkeypatch.setattr(connection, "max_connections", lambda: 2)

    async def talk(reader, writer) -> bytes:
        await asyncio.sleep(LATE / 3)
        return await send(GET[:-2] + b"connection: close\r\n\r\n")(reader, writer)

    answers = serve(talk, clients=5)

    assert sum(b"200 OK" in answer for answer in answers) == 2


def test_the_longest_idle_connection_makes_room_for_a_new_one(monkeypatch) -> None:
    monkeypatch.setattr(connection, "max_connections", lambda: 2)

    async def talk(reader, writer) -> tuple[bytes, list[bytes]]:
        asked = [(reader, writer)]
        answers = [await ask(reader, writer)]
        for _ in range(2):
            asked.append(await asyncio.open_connection(*writer.get_extra_info("peername")))
            answers.append(await ask(*asked[-1]))
        answers.append(await ask(*asked[1]))
        for _, other in asked[1:]:
            other.close()
        return await send()(reader, writer), answers

    async def ask(reader, writer) -> bytes:
        writer.write(GET)
        return await reader.readuntil(b"bytes")

    [(first, answers)] = serve(talk)

    assert first == b""
    assert [b"200 OK" in answer for answer in answers] == [True] * 4


def test_a_client_that_does_not_read_its_answer_is_left() -> None:
    async def talk(reader, writer) -> int:
        writer.write(GET.replace(b"/", b"/large", 1))
        writer.transport.pause_reading()
        await asyncio.sleep(3 * LATE)
        writer.transport.resume_reading()
        try:
            return len(await reader.read())
        except ConnectionResetError:
            return 0

    assert serve(talk)[0] < LARGE


def test_half_closed_and_left_connections_leave_nothing_behind() -> None:
    async def half_close(reader, writer) -> bytes:
        writer.write(POST + b"3\r\nabc\r\n")
        writer.write_eof()
        return await reader.read()

    assert serve(half_close, clients=3) == [b"", b"", b""]
