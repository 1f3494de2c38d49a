"""What every answer has, whatever answers: ids, headers, JSON errors, counts and log lines."""

from __future__ import annotations

import io
import json
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import PlainTextResponse, Response

from serving import afterwards
from serving.front.intake import LARGEST_BODIES
from serving.front.keys import add_key
from serving.front.log_format import REQUEST_ID, add_request_id, json_formatter
from tests.serving.edge_world import World, refused


@pytest.fixture
def shop(tmp_path: Path) -> tuple[World, str]:
    """A world that asks for keys, and the key of the shop."""
    file = tmp_path / "keys.json"
    key = add_key(file, "shop", now=datetime.now(UTC))
    return World(keys_file=file), key


@pytest.mark.parametrize("path", ["/", "/v1/items/a", "/v1/nothing", "/v1/fault", "/livez"])
def test_every_answer_has_the_security_headers(path) -> None:
    headers = World().ask(path).headers

    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    rules = [rule.split() for rule in headers["content-security-policy"].split(";")]
    assert ["default-src", "'none'"] in rules
    assert ["frame-ancestors", "'none'"] in rules
    assert not any("http" in source or "unsafe" in source for rule in rules for source in rule)
    assert "server" not in headers


@pytest.mark.parametrize(
    ("path", "may_be_stored"),
    [("/", True), ("/page/app.js", True), ("/v1/items/a", False), ("/metrics", False)],
)
def test_only_the_page_may_be_stored(path, may_be_stored) -> None:
    assert (World().ask(path).headers.get("cache-control") != "no-store") == may_be_stored


def test_what_a_route_sets_itself_stays() -> None:
    world = World()

    @world.edge.api.get("/v1/kept")
    async def kept() -> Response:
        return PlainTextResponse("", headers={"cache-control": "max-age=60", "x-request-id": "own"})

    headers = world.ask("/v1/kept").headers
    assert headers.get_list("cache-control") == ["max-age=60"]
    assert headers.get_list("x-request-id") == ["own"]


@pytest.mark.parametrize("sent", ["a", "A.b_c-9", "x" * 64])
def test_a_request_id_is_the_clients(sent) -> None:
    assert World().ask("/v1/items/a", headers={"x-request-id": sent}).headers["x-request-id"] == sent


@pytest.mark.parametrize("sent", [None, "", "x" * 65, "two words", 'quote"', "ü", "a,b"])
def test_a_request_id_is_made_where_the_client_has_no_harmless_one(sent) -> None:
    world = World()
    headers = {} if sent is None else {"x-request-id": sent.encode("latin-1")}

    first, second = (world.ask("/v1/items/a", headers=headers).headers["x-request-id"] for _ in range(2))

    assert first != second
    assert len(first) == len(second) == 32


def test_requests_are_counted_by_template_with_a_bounded_set_of_labels() -> None:
    world = World()
    world.ask("/v1/items/a"), world.ask("/v1/items/b"), world.ask("/v1/echo"), world.ask("/livez")
    for number in range(20):
        world.ask(f"/v1/unknown-{number}")
    world.ask("/v1/fault")

    assert world.counted == {
        ("/v1/items/{name}", 200): 2,
        ("/v1/echo", 405): 1,
        ("other", 404): 20,
        ("/v1/fault", 500): 1,
    }


def test_a_fault_is_an_answer_without_its_cause_and_a_log_line_with_it(caplog) -> None:
    response = World().ask("/v1/fault", headers={"x-request-id": "abc"})

    assert refused(response) == (500, "internal_error")
    assert "ZeroDivisionError" in caplog.text
    assert "request abc" in caplog.text


def test_readyz_has_the_reason() -> None:
    world = World()

    @world.edge.api.get("/readyz")
    async def readyz() -> Response:
        return PlainTextResponse("no", 503)

    response = world.ask("/readyz")
    assert refused(response) == (503, "not_ready")
    assert "no champion yet" in response.text


def test_bodies_find_room_or_are_refused_and_give_it_back() -> None:
    world = World(max_body_bytes=10)

    assert world.ask("/v1/echo", "POST", content=b"0" * LARGEST_BODIES * 10).status_code == 200
    refusal = world.ask("/v1/echo", "POST", content=b"0" * (LARGEST_BODIES * 10 + 1))
    assert refused(refusal) == (429, "overloaded")
    assert refusal.headers["retry-after"] == "1"
    assert world.ask("/v1/echo", "POST", content=b"0" * LARGEST_BODIES * 10).status_code == 200


@pytest.fixture
def logged(monkeypatch) -> Callable[[], list[dict[str, Any]]]:
    """The lines of the access log, as JSON says them."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(json_formatter())
    handler.addFilter(add_request_id)
    logger = logging.getLogger("sightline.access")
    monkeypatch.setattr(logger, "handlers", [handler])
    logger.setLevel(logging.INFO)
    monkeypatch.setattr(logger, "propagate", False)
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_request_is_one_line_without_body_query_or_key(shop, logged) -> None:
    world, key = shop
    headers = {"x-api-key": key, "x-request-id": "abc"}
    world.ask("/v1/echo?token=secret", "POST", headers=headers, content=b"image")

    [line] = logged()
    names = ("method", "route", "status", "key", "request_id", "level", "logger")
    told = [line[name] for name in names]
    assert told == ["POST", "/v1/echo", 200, "shop", "abc", "INFO", "sightline.access"]
    assert 0 <= line["milliseconds"] < 10_000
    assert datetime.fromisoformat(line["time"]).tzinfo is not None
    assert not any(word in json.dumps(line) for word in ("secret", "image", key))


def test_lines_that_are_written_later_are_of_their_own_requests(logged, monkeypatch) -> None:
    monkeypatch.setattr(afterwards, "TICK_SECONDS", 60)
    world = World()
    calls = world.edge.api.state.engine.afterwards
    calls.start()
    begin = time.time()
    for request_id in ("a", "b"):
        world.ask("/v1/nothing", headers={"x-request-id": request_id})
        time.sleep(0.05)
    end = time.time()

    REQUEST_ID.set("of whoever writes them")
    calls.close()

    lines = [line for line in logged() if line["logger"] == "sightline.access"]
    assert [line["request_id"] for line in lines] == ["a", "b"]
    times = [datetime.fromisoformat(line["time"]).timestamp() for line in lines]
    assert begin <= times[0] < times[0] + 0.05 <= times[1] <= end


def test_a_path_cannot_break_out_of_its_line(logged) -> None:
    World().ask("/v1/%0d%0a2026 forged%1b[31m" + "a" * 300)

    [line] = logged()
    assert line["message"].isprintable()
    assert len(line["message"]) < 400


def test_probes_that_are_answered_are_not_logged(logged) -> None:
    world = World()
    world.ask("/livez")
    world.ask("/healthz")  # which this API does not have

    assert [line["status"] for line in logged()] == [404]


def test_lines_of_others_have_the_request_too(logged) -> None:
    REQUEST_ID.set("abc")
    logging.getLogger("sightline.access").warning("a line of %s", "theirs", extra={"component": "[bento]"})

    [line] = logged()
    assert (line["message"], line["request_id"]) == ("a line of theirs", "abc")
    assert "component" not in line
