"""WebSocket /v1/live: in process for what it promises, and through `bentoml serve` for that it gets there."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from serving.answers import RequestError
from serving.engine import Engine
from serving.routes import live
from serving.workers import Workers
from tests.serving.in_process import Connection, InProcess, in_process

PATH = "/v1/live"
CLOSE = "websocket.close"


@pytest.fixture(scope="module")
def service(digits) -> Iterator[InProcess]:
    with in_process(digits.workspace, live_connections=2, max_body_bytes=100_000) as service:
        yield service


@pytest.fixture
def connection(service) -> Iterator[Connection]:
    connection = accepted(service)
    yield connection
    connection.leave()


def accepted(service: InProcess) -> Connection:
    connection = service.connect(PATH)
    assert connection.receive()["type"] == "websocket.accept"
    return connection


def test_a_frame_is_answered_as_by_classify(connection, champion, encoded) -> None:
    for number, name in enumerate(("photo.jpg", "noise.png", "exif_6.jpg"), start=1):
        connection.send(encoded[name])
        answer = connection.answer()

        expected = champion.classify(encoded[name])
        assert (answer["frame"], answer["dropped"], answer["version"]) == (number, [], 1)
        assert answer["class"] == champion.class_names[expected.argmax()]
        assert np.float32(answer["confidence"]) == expected.max()
        assert set(answer["milliseconds"]) == {"queue", "decode", "infer", "total"}


@pytest.mark.parametrize("frame", [b"", b"no image", b"\xff\xd8\xff", b"\x00" * 1000])
def test_a_bad_frame_is_an_error_and_not_the_end(connection, encoded, frame) -> None:
    connection.send(frame)
    bad = connection.answer()
    connection.send(encoded["photo.jpg"])
    good = connection.answer()

    assert (bad["frame"], bad["error"]["code"]) == (1, "not_an_image")
    assert (good["frame"], "class" in good) == (2, True)


def test_options_hold_for_the_frames_after_them(connection, encoded) -> None:
    counts = []
    for top_k in (None, 2, 10_000):
        if top_k:
            connection.send(json.dumps({"top_k": top_k}))
        connection.send(encoded["photo.jpg"])
        counts.append(len(connection.answer()["classes"]))

    assert counts == [5, 2, 10]


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"top_k": 0}', '{"top_k": "many"}', '{"size": 3}', "[" * 100_000, "1" * 1_000_000],
)
def test_bad_options_are_an_error_and_not_the_end(connection, encoded, text) -> None:
    connection.send(text)
    bad = connection.answer()
    connection.send(encoded["photo.jpg"])

    assert (bad["error"]["code"], "frame" in bad) == ("bad_options", False)
    assert len(connection.answer()["classes"]) == 5


@pytest.fixture
def held_up(monkeypatch) -> Iterator[threading.Event]:
    """No image is answered before the event is set."""
    may_go, classify = threading.Event(), Engine.classify

    def classify_when_it_may(self, served, data, **options):
        assert may_go.wait(20)
        return classify(self, served, data, **options)

    monkeypatch.setattr(Engine, "classify", classify_when_it_may)
    yield may_go
    may_go.set()


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.001)


def test_only_the_newest_frame_waits(service, connection, champion, encoded, held_up) -> None:
    connection.send(encoded["noise.png"])
    wait_for(lambda: service.state.engine.workers.pending == 1)
    for name in ("gray.png", "alpha.png", "cmyk.jpg", "photo.jpg"):
        connection.send(encoded[name])
    connection.send("no options")  # its answer says that all before it was heard
    assert "error" in connection.answer()

    held_up.set()
    first, newest = connection.answer(), connection.answer()
    connection.send(encoded["gray.png"])
    after = connection.answer()

    answers = [(each["frame"], each["dropped"]) for each in (first, newest, after)]
    assert answers == [(1, []), (5, [2, 3, 4]), (6, [])]
    assert newest["class"] == champion.class_names[champion.classify(encoded["photo.jpg"]).argmax()]


def test_a_connection_has_one_image_in_the_queue(service, connection, encoded, held_up) -> None:
    for _ in range(20):
        connection.send(encoded["photo.jpg"])
    connection.send("no options")
    connection.answer()

    assert service.state.engine.workers.pending == 1


def test_a_full_queue_is_an_error_and_not_the_end(connection, encoded, monkeypatch) -> None:
    def refuse(*_):
        raise RequestError(429, "overloaded", "try again in 1 s")

    with monkeypatch.context() as patch:
        patch.setattr(Workers, "check_room", refuse)
        connection.send(encoded["photo.jpg"])
        refused = connection.answer()
    connection.send(encoded["photo.jpg"])

    assert (refused["frame"], refused["error"]["code"]) == (1, "overloaded")
    assert "class" in connection.answer()


def test_connections_beyond_those_allowed_are_told_to_come_back(service, encoded) -> None:
    first, second, third = (accepted(service) for _ in range(3))

    refused = third.receive()
    first.leave()
    again = accepted(service)
    again.send(encoded["photo.jpg"])

    assert (refused["type"], refused["code"]) == (CLOSE, 1013)
    assert again.answer()["frame"] == 1
    again.leave()
    second.leave()


def test_a_frame_too_large_ends_the_connection(service) -> None:
    connection = accepted(service)
    connection.send(bytes(100_001))

    closed = connection.receive()

    assert (closed["type"], closed["code"]) == (CLOSE, 1009)
    assert "100001 bytes: at most 100000" in closed["reason"]


def test_a_connection_on_which_nothing_is_said_is_ended(service, monkeypatch) -> None:
    monkeypatch.setattr(live, "IDLE_SECONDS", 0.05)
    connection = accepted(service)

    closed = connection.receive()

    assert (closed["type"], closed["code"]) == (CLOSE, 1000)


def test_a_client_that_leaves_gives_its_place_back(service, encoded, held_up) -> None:
    places = service.state.live
    connection = accepted(service)
    connection.send(encoded["photo.jpg"])
    wait_for(lambda: service.state.engine.workers.pending == 1)

    connection.leave()

    assert not places.locked()
    held_up.set()
    wait_for(lambda: service.state.engine.workers.pending == 0)


def test_a_promotion_is_seen_by_a_connection_that_is_open(registry, encoded) -> None:
    registry.promote(1)
    with in_process(registry.workspace, poll_seconds=0.02) as service:
        connection = accepted(service)
        connection.send(encoded["photo.jpg"])
        before = connection.answer()["version"]
        registry.promote(2)

        def version() -> int:
            connection.send(encoded["photo.jpg"])
            return int(connection.answer()["version"])

        wait_for(lambda: version() == 2)
        connection.leave()
    assert before == 1


def test_no_frame_is_ever_remembered(service, connection, encoded) -> None:
    answers = []
    for _ in range(2):
        connection.send(encoded["photo.jpg"])
        answers.append(connection.answer())

    assert [answer["cached"] for answer in answers] == [False, False]


@pytest.fixture(scope="module")
def served(digits, start_service):
    service = start_service(SIGHTLINE_HOME=digits.workspace.root, SIGHTLINE_LIVE_CONNECTIONS=1)
    service.wait_ready()
    return service


def test_frames_pass_through_a_real_server(served, champion, encoded) -> None:
    with connect(f"ws://127.0.0.1:{served.port}{PATH}") as socket:
        socket.send(encoded["photo.jpg"])
        answer = json.loads(socket.recv(timeout=20))
        with (
            connect(f"ws://127.0.0.1:{served.port}{PATH}") as second,
            pytest.raises(ConnectionClosed) as closed,
        ):
            second.recv(timeout=20)

    assert answer["class"] == champion.class_names[champion.classify(encoded["photo.jpg"]).argmax()]
    assert closed.value.rcvd.code == 1013


def test_a_flood_of_frames_is_answered_by_the_newest(served, encoded) -> None:
    with connect(f"ws://127.0.0.1:{served.port}{PATH}") as socket:
        for _ in range(200):
            socket.send(encoded["photo.jpg"])
        numbers = []
        while not numbers or numbers[-1] != 200:
            answer = json.loads(socket.recv(timeout=20))
            numbers += [*answer["dropped"], answer["frame"]]

    assert numbers == list(range(1, 201))


def test_batches_and_explanations_pass_through_a_real_server(served, encoded) -> None:
    batch = served.client.post("/v1/classify/batch", files=[("image", encoded["photo.jpg"])] * 3)
    explanation = served.client.post("/v1/explain", files={"image": encoded["photo.jpg"]})

    assert [answer["index"] for answer in batch.json()["answers"]] == [0, 1, 2]
    assert explanation.content.startswith(b"\x89PNG")
