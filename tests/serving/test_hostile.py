"""A real service under attack: everything is refused within limits, and the next request is answered."""

from __future__ import annotations

import contextlib
import io
import json
import socket
import struct
import time
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest
from PIL import Image

from serving.front.connection import HEAD_SECONDS
from serving.front.keys import add_key
from serving.schemas.answers import ErrorAnswer

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "hostile-images"
MAX_BODY_BYTES = 300_000
BODY_SECONDS = 1.5
MEGABYTE = 1_000_000
RAW = b"content-type: application/octet-stream\r\n"
POST = b"POST /v1/classify HTTP/1.1\r\nhost: a\r\n" + RAW
UPGRADE = POST + b"content-length: 0\r\nconnection: upgrade\r\nupgrade: %s\r\n\r\n"
CHUNKED = POST + b"transfer-encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module")
def service(make_registry, start_service, tmp_path_factory):
    registry = make_registry(tmp_path_factory.mktemp("hostile") / "workspace")
    registry.promote(1)
    service = start_service(
        SIGHTLINE_HOME=registry.workspace.root,
        SIGHTLINE_MAX_BODY_BYTES=MAX_BODY_BYTES,
        SIGHTLINE_BODY_SECONDS=BODY_SECONDS,
        SIGHTLINE_LOG_FORMAT="json",
    )
    service.wait_ready(seconds=120)
    return service


@pytest.fixture(autouse=True)
def unharmed(service, encoded) -> Iterator[None]:
    """After every attack the service answers as before, without a traceback and without having grown."""
    service.classify(encoded["photo.jpg"])
    before = memory(service)
    yield
    assert service.classify(encoded["photo.jpg"]).status_code == 200
    assert memory(service) - before < 60 * MEGABYTE
    assert "Traceback" not in service.log.read_text()


def memory(service) -> int:
    """Bytes that the service's processes hold."""
    parent = psutil.Process(service.process.pid)
    return sum(process.memory_info().rss for process in (parent, *parent.children(recursive=True)))


def talk(service, *pieces: bytes, pause: float = 0, seconds: float = 30) -> bytes:
    """Sends the pieces for as long as anybody reads them; all that came back until the end, or a silence."""
    answer = bytearray()
    with socket.create_connection(("127.0.0.1", service.port), timeout=seconds) as connection:
        with contextlib.suppress(OSError):
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(pause)
        with contextlib.suppress(OSError):
            while received := connection.recv(65_536):
                answer += received
                if b"\r\n\r\n{" in answer and answer.endswith(b"}"):
                    break
    return bytes(answer)


def status(answer: bytes) -> int:
    """Of the first answer; 0 where the connection was closed without one."""
    return int(answer[9:12]) if answer.startswith(b"HTTP/1.1 ") else 0


ATTACKS = {
    "endless chunked body": ([CHUNKED, *[b"2710\r\n" + b"0" * 10_000 + b"\r\n"] * 5000], {413, 0}),
    "chunks that never end": ([CHUNKED, b"1\r\na\r\n"], {408}),
    "huge length": ([POST + b"content-length: 1000000000000\r\n\r\n"], {413}),
    "impossible length": ([POST + b"content-length: " + b"9" * 100 + b"\r\n\r\n"], {400}),
    "length that is not kept": ([POST + b"content-length: 100000\r\n\r\nshort"], {408}),
    "10,000 headers": ([POST[:-2] + b"\r\n", *[b"x: 1\r\n" * 100] * 100, b"\r\n"], {431, 0}),
    "header of a megabyte": ([POST + b"x: " + b"0" * MEGABYTE + b"\r\n\r\n"], {431, 0}),
    "endless address": ([b"GET /" + b"a" * MEGABYTE], {431, 0}),
    "two lengths": ([POST + b"content-length: 1\r\ncontent-length: 2\r\n\r\nab"], {400}),
    "length and chunks": ([CHUNKED[:-2] + b"content-length: 3\r\n\r\n0\r\n\r\n"], {400, 0}),
    "no HTTP": ([b"\x16\x03\x01\x02\x00" + b"\0" * 500], {400}),
    "unknown method": ([b"BREW /v1/classify HTTP/1.1\r\nhost: a\r\n\r\n"], {400}),
    "upgrade to nothing": ([UPGRADE % b"h2c"], {400, 101}),
    "address with a zero": ([b"GET /%00%0d%0a HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"], {404}),
    "half a WebSocket": ([UPGRADE % b"websocket"], {400, 405, 426}),
}  # fmt: skip


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_refused_within_limits(service, name) -> None:
    pieces, statuses = ATTACKS[name]
    begin = time.monotonic()

    answer = talk(service, *pieces)

    assert status(answer) in statuses, answer[:300]
    assert b" 500 " not in answer
    assert time.monotonic() - begin < 20


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "HEAD"])
def test_a_wrong_method_is_refused(service, method) -> None:
    response = service.client.request(method, "/v1/classify")

    assert response.status_code == 405
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "server" not in response.headers


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, data: bytes, *between: bytes) -> bytes:
    """A gray PNG of that size, whatever its data holds."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(between) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def huge_jpeg() -> bytes:
    """65,500 x 65,500 pixels, as its head says."""
    buffer = io.BytesIO()
    Image.new("L", (8, 8)).save(buffer, "JPEG")
    data = bytearray(buffer.getvalue())
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", 65_500, 65_500)
    return bytes(data)


ZEROS = zlib.compress(bytes(100 * MEGABYTE), 9)  # 100 KB
# 50,000 x 50,000 pixels.
BMP_HEAD = (100, 0, 54, 40, 50_000, 50_000, 1, 24, 0, 0, 0, 0, 0, 0)
GIF_HEAD = b"GIF89a" + struct.pack("<HHBBB", 900, 900, 0, 0, 0)
BOMBS = {
    "pixels": (png(60_000, 60_000, ZEROS), 413),
    "pixels of a JPEG": (huge_jpeg(), 413),
    "pixels of a BMP": (b"BM" + struct.pack("<IIIIIiHHIIIIII", *BMP_HEAD), 413),
    "more data than pixels": (png(100, 100, ZEROS), 200),
    "compressed text": (png(1, 1, zlib.compress(b"\0\0"), chunk(b"zTXt", b"k\0\0" + ZEROS)), None),
    "compressed profile": (png(1, 1, zlib.compress(b"\0\0"), chunk(b"iCCP", b"k\0\0" + ZEROS)), None),
    "many small frames": (GIF_HEAD + b"!\xf9\x04\0\0\0\0\0" * 30_000, 400),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_does_not_go_off(service, name) -> None:
    data, expected = BOMBS[name]
    assert len(data) < MAX_BODY_BYTES

    response = service.classify(data)

    assert response.status_code in ([200, 400, 413] if expected is None else [expected]), response.text
    if response.status_code != 200:
        ErrorAnswer.model_validate_json(response.content)


def test_a_collection_of_hostile_files_is_answered(service) -> None:
    if not DATA.is_dir():
        pytest.skip(f"the development data {DATA} is not on this machine")
    answers = {path.name: service.classify(path.read_bytes()) for path in sorted(DATA.iterdir())}

    assert {answer.status_code for answer in answers.values()} <= {200, 400, 413}
    assert answers["LICENSE"].status_code == 400
    assert answers["decompression_bomb.gif"].status_code == 413
    assert answers["hopper.jpg"].status_code == 200


def test_slow_clients_hold_nobody_up(service, encoded) -> None:
    with contextlib.ExitStack() as stack:
        slow = [
            stack.enter_context(socket.create_connection(("127.0.0.1", service.port))) for _ in range(200)
        ]
        begin = time.monotonic()
        for letter in POST[:20]:
            for connection in slow:
                connection.sendall(bytes([letter]))
        assert service.classify(encoded["photo.jpg"]).status_code == 200
        assert time.monotonic() - begin < 10


@pytest.mark.slow
def test_slow_clients_are_left(service) -> None:
    letters = [bytes([letter]) for letter in POST + b"x: 1\r\n" * 50]

    begin = time.monotonic()
    answer = talk(service, *letters, pause=0.1)

    assert status(answer) in {408, 0}
    assert time.monotonic() - begin < HEAD_SECONDS + 40


def test_clients_that_leave_are_forgotten(service) -> None:
    for closing in (
        lambda c: None,
        lambda c: c.shutdown(socket.SHUT_WR),
        lambda c: c.shutdown(socket.SHUT_RD),
    ):
        for sent in (b"", POST, CHUNKED + b"5\r\nabc"):
            with socket.create_connection(("127.0.0.1", service.port)) as connection:
                connection.sendall(sent)
                closing(connection)


def test_every_line_of_the_log_says_what_it_belongs_to(service, encoded) -> None:
    headers = {"content-type": "image/jpeg", "x-request-id": "find-me"}
    service.client.post("/v1/classify?top_k=1&token=secret", content=encoded["photo.jpg"], headers=headers)

    service.wait(lambda: "find-me" in service.log.read_text())
    lines = [json.loads(line) for line in service.log.read_text().splitlines()]
    [line] = [line for line in lines if line.get("request_id") == "find-me"]
    assert (line["route"], line["status"]) == ("/v1/classify", 200)
    assert "secret" not in service.log.read_text()


def test_keys_are_asked_for_and_rotated_while_it_runs(registry, start_service, encoded, tmp_path) -> None:
    registry.promote(1)
    file = tmp_path / "keys.json"
    service = start_service(
        SIGHTLINE_HOME=registry.workspace.root, SIGHTLINE_KEYS_FILE=file, SIGHTLINE_RATE="5/hour"
    )
    service.wait_ready(seconds=120)
    refused = [
        service.classify(encoded["photo.jpg"]),
        service.client.get("/metrics"),
        service.client.get("/docs.json"),
    ]
    key = add_key(file, "shop", now=datetime.now(UTC))

    service.client.headers["authorization"] = f"Bearer {key}"
    service.wait(lambda: service.classify(encoded["photo.jpg"]).status_code == 200, seconds=5)
    last = [service.classify(encoded["photo.jpg"]).status_code for _ in range(6)]

    assert [response.status_code for response in refused] == [401, 401, 401]
    assert service.client.get("/readyz").status_code == 200
    assert last[-1] == 429
