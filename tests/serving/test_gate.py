"""Who may ask, and how often: keys, rates, origins, WebSockets."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from serving.front.keys import add_key
from tests.serving.edge_world import World, refused


@pytest.fixture
def shop(tmp_path: Path) -> tuple[World, str]:
    """A world that asks for keys, and the key of the shop."""
    file = tmp_path / "keys.json"
    key = add_key(file, "shop", now=datetime.now(UTC))
    return World(keys_file=file), key


def test_nothing_but_probes_and_page_opens_without_a_key(shop) -> None:
    world, _ = shop
    closed = ["/v1/items/a", "/v1/nothing", "/metrics", "/docs.json", "/page", "/pages/x", "/%2F", "/LIVEZ"]

    assert {world.ask(path).status_code for path in ("/", "/livez", "/page/app.js")} == {200}
    for path in closed:
        response = world.ask(path)
        assert refused(response) == (401, "unauthorized")
        assert response.headers["www-authenticate"].startswith("Bearer")
        assert response.headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize(
    "header",
    [
        lambda key: {"authorization": f"Bearer {key}"},
        lambda key: {"authorization": f"bearer  {key}"},
        lambda key: {"x-api-key": key},
    ],
)
def test_a_key_opens_and_its_name_is_handed_on(shop, header) -> None:
    world, key = shop

    response = world.ask("/v1/items/a", headers=header(key))

    assert (response.status_code, response.text) == (200, "shop")


@pytest.mark.parametrize(
    "header",
    [
        lambda key: {"authorization": key},
        lambda key: {"authorization": f"Basic {key}"},
        lambda key: {"authorization": "Bearer"},
        lambda key: {"x-api-key": ""},
        lambda key: {"x-api-key": f"{key},{key}"},
        lambda key: {"x-api-key": b"\xff\xfe"},
        lambda key: {"authorization": "Bearer wrong", "x-api-key": key},
        lambda key: {"cookie": f"key={key}"},
    ],
)
def test_anything_else_does_not_open(shop, header) -> None:
    world, key = shop

    assert refused(world.ask("/v1/items/a?key=" + key, headers=header(key))) == (401, "unauthorized")


def test_a_missing_file_of_keys_closes(tmp_path) -> None:
    assert refused(World(keys_file=tmp_path / "none.json").ask("/v1/items/a")) == (401, "unauthorized")


def test_the_rate_is_a_callers_and_not_the_probes(shop) -> None:
    open_world, (closed, key) = World(rate="1/hour"), shop
    closed = World(keys_file=closed.edge.api.state.engine.settings.keys_file, rate="1/hour")
    with_key = {"x-api-key": key}

    by_address = [open_world.ask("/v1/items/a") for _ in range(2)]
    by_key = [closed.ask("/v1/items/a", headers=header) for header in ({}, with_key, {}, with_key)]

    assert by_address[0].status_code == 200
    assert refused(by_address[1]) == (429, "rate_limited")
    assert 3590 <= int(by_address[1].headers["retry-after"]) <= 3600
    assert [response.status_code for response in by_key] == [401, 200, 401, 429]
    assert {open_world.ask("/livez").status_code for _ in range(3)} == {200}


def test_every_address_has_a_rate_and_an_ipv6_network_is_one_client() -> None:
    world = World(rate="1/hour")
    addresses = ("192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1", "fe80::1%eth0")

    statuses = [world.ask("/v1/items/a", address=address).status_code for address in addresses]

    assert statuses == [200, 200, 200, 429, 200, 200]


PAGE = "https://app.example.org"
ASKS = {
    "origin": PAGE,
    "access-control-request-method": "POST",
    "access-control-request-headers": "x-api-key",
}


def test_other_origins_are_let_in_where_they_are_named_and_asked_for_keys(shop) -> None:
    world, _ = shop
    named = World(keys_file=world.edge.api.state.engine.settings.keys_file, cors_origins=PAGE)

    preflight = named.ask("/v1/echo", "OPTIONS", headers=ASKS)
    answer = named.ask("/v1/echo", "POST", headers={"origin": PAGE})

    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == PAGE
    assert "access-control-allow-credentials" not in preflight.headers
    assert refused(answer) == (401, "unauthorized")
    assert answer.headers["access-control-allow-origin"] == PAGE  # else the page could not read the reason


@pytest.mark.parametrize("origins", ["", "https://other.example.org"])
def test_other_origins_are_not_let_in_otherwise(origins) -> None:
    world = World(cors_origins=origins)

    preflight = world.ask("/v1/echo", "OPTIONS", headers=ASKS)
    answer = world.ask("/v1/items/a", headers={"origin": PAGE})

    assert preflight.status_code in (400, 405)
    assert not {
        name for name in {**preflight.headers, **answer.headers} if name == "access-control-allow-origin"
    }


def connect(world: World, query: str = "", *, can_say_why: bool = True, **headers: str) -> list[Any]:
    """What a WebSocket to /v1/live is sent."""
    sent: list[Any] = []
    given = {"host": "sightline"} | {name.replace("_", "-"): value for name, value in headers.items()}
    scope = {
        "type": "websocket",
        "path": "/v1/live",
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
        "extensions": {"websocket.http.response": {}} if can_say_why else {},
    }

    async def receive() -> dict[str, str]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(world.edge(scope, receive, send))
    return sent


def test_a_websocket_is_asked_for_its_key(shop) -> None:
    world, key = shop

    # A browser can send a key in no other way than the query.
    greetings = [connect(world, x_api_key=key), connect(world, f"key={key}")]
    refusals = [connect(world), connect(world, "key=wrong"), connect(world, "key=%ed%a0%80")]

    assert [sent[1]["text"] for sent in greetings] == ["shop", "shop"]
    assert (b"x-frame-options", b"DENY") in greetings[0][0]["headers"]
    assert [sent[0]["status"] for sent in refusals] == [401, 401, 401]
    assert json.loads(refusals[0][1]["body"])["error"]["code"] == "unauthorized"
    assert world.counted == {("/v1/live", 101): 2, ("other", 401): 3}


def test_a_websocket_that_cannot_be_told_why_is_closed(shop) -> None:
    [closed] = connect(shop[0], can_say_why=False)

    assert (closed["type"], closed["code"]) == ("websocket.close", 1008)


@pytest.mark.parametrize(
    ("origin", "opens"),
    [("http://sightline", True), (PAGE, True), ("https://evil.example.org", False), ("null", False)],
)
def test_a_websocket_opens_from_our_page_and_named_origins(origin, opens) -> None:
    first = connect(World(cors_origins=PAGE), origin=origin)[0]

    assert first["type"] == "websocket.accept" if opens else first["status"] == 403
