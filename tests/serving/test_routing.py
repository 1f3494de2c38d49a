"""Who answers a request: what it asks for, the client's own arm, or the lot; and the canary's steps."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from pydantic import ValidationError
from starlette.requests import HTTPConnection

from registry.traffic import Traffic, current_share
from serving.answers import RequestError
from serving.versions.routing import choose_arm, place_of

BEGIN = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
CLIENTS = [f"client-{number}" for number in range(10_000)]


def make_traffic(share: float = 0.2, **options: object) -> Traffic:
    return Traffic(
        model="digits", version=2, digest="d" * 64, share=share, since=BEGIN.isoformat(), **options
    )


def request(query: str = "", state: dict[str, str] | None = None, **headers: str) -> HTTPConnection:
    encoded = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "headers": encoded, "query_string": query.encode()}
    return HTTPConnection(scope | ({} if state is None else {"state": state}))


@pytest.mark.parametrize("share", [0.0, 1.0])
@pytest.mark.parametrize("arm", ["champion", "challenger"])
def test_a_request_gets_the_arm_that_it_asks_for(arm, share) -> None:
    traffic = make_traffic(share)

    assert choose_arm(traffic, request(x_sightline_arm=arm)) == arm
    assert choose_arm(traffic, request(f"arm={arm}&top_k=3", x_client_key="c")) == arm


def test_the_header_goes_before_the_query() -> None:
    assert choose_arm(make_traffic(), request("arm=champion", x_sightline_arm="challenger")) == "challenger"


@pytest.mark.parametrize("asked", ["", "shadow", "Champion", "x" * 500, "../champion"])
def test_another_arm_is_refused(asked) -> None:
    for asking in (request(x_sightline_arm=asked), request(f"arm={asked}")):
        with pytest.raises(RequestError, match="champion or challenger is allowed") as caught:
            choose_arm(make_traffic(), asking)
        assert (caught.value.status, caught.value.code) == (400, "bad_arm")
        assert len(caught.value.message) < 100


def test_a_client_keeps_its_arm() -> None:
    for client in CLIENTS[:20]:
        arms = {choose_arm(make_traffic(0.5), request(x_client_key=client)) for _ in range(20)}
        assert len(arms) == 1


def test_a_client_without_a_key_is_known_by_its_api_key() -> None:
    traffic, state = make_traffic(0.5), {"key_id": "phone"}

    expected = choose_arm(traffic, request(x_client_key="phone"))
    assert {choose_arm(traffic, request(state=state)) for _ in range(20)} == {expected}
    other = next(name for name in CLIENTS if choose_arm(traffic, request(x_client_key=name)) != expected)
    assert choose_arm(traffic, request(state=state, x_client_key=other)) != expected


def test_who_is_in_at_five_percent_stays_in_at_twenty() -> None:
    few, more = (
        {c for c in CLIENTS if choose_arm(make_traffic(share), request(x_client_key=c)) == "challenger"}
        for share in (0.05, 0.2)
    )

    assert few < more
    for chosen, share in ((few, 0.05), (more, 0.2)):
        assert abs(len(chosen) - share * 10_000) < 4 * math.sqrt(10_000 * share * (1 - share))


def test_the_next_challenger_meets_other_clients() -> None:
    both = sum(place_of("a" * 64, client) < 0.2 and place_of("b" * 64, client) < 0.2 for client in CLIENTS)

    assert abs(both - 400) < 4 * math.sqrt(400)


def test_a_place_is_the_same_in_every_process() -> None:
    assert place_of("a", "b") == int(sha256(b"a b").hexdigest()[:12], 16) / 16**12


def test_requests_of_nobody_are_drawn_by_lot(monkeypatch) -> None:
    monkeypatch.setattr("serving.versions.routing.random.random", random.Random(3).random)

    challenger = sum(choose_arm(make_traffic(), request()) == "challenger" for _ in range(5000))

    assert abs(challenger - 1000) < 4 * math.sqrt(5000 * 0.2 * 0.8)


@pytest.mark.parametrize("client", [{}, {"x_client_key": "c"}])
def test_nothing_and_all_are_exact(client) -> None:
    assert {choose_arm(make_traffic(0.0), request(**client)) for _ in range(50)} == {"champion"}
    assert {choose_arm(make_traffic(1.0), request(**client)) for _ in range(50)} == {"challenger"}


@pytest.mark.parametrize(
    ("minutes", "share"), [(-15, 0.05), (0, 0.05), (9.9, 0.05), (10, 0.25), (20, 1), (29.9, 1), (1e6, 1)]
)
def test_steps_follow_the_clock(minutes, share) -> None:
    traffic = make_traffic(0.05, steps=(0.25, 1.0), step_minutes=10)

    assert current_share(traffic, BEGIN + timedelta(minutes=minutes)) == share


def test_without_steps_the_share_stays() -> None:
    assert current_share(make_traffic(0.1, step_minutes=1e-300), BEGIN + timedelta(days=1)) == 0.1


@pytest.mark.parametrize(
    "rule",
    [
        {"steps": (0.1,)},
        {"steps": (0.5, 0.4)},
        {"steps": (1.1,)},
        {"steps": (math.nan,)},
        {"share": math.nan},
        {"share": 1.5},
        {"step_minutes": math.inf},
        {"mode": "shadow", "steps": (0.5,)},
        {"since": "2026-11-01T12:00:00"},
        {"since": "yesterday"},
    ],
)
def test_a_rule_that_cannot_be_is_refused(rule) -> None:
    with pytest.raises(ValidationError):
        Traffic(**(make_traffic().model_dump() | rule))
