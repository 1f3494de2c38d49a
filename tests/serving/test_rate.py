"""So many requests a caller, in a window that moves."""

from __future__ import annotations

import threading

import pytest

from serving.answers import RequestError
from serving.front.rate import SWEEP_SECONDS, Rate
from vision.errors import ConfigError


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("time.time", clock)
    return clock


def ask(rate: Rate, clock: Clock, seconds: float, caller: str = "shop") -> bool:
    clock.now = Clock.now + seconds
    try:
        rate.check(caller)
    except RequestError:
        return False
    return True


def test_the_window_moves(clock) -> None:
    rate = Rate("2/second")

    # At 1.05 the first of 0.0 is out of the window, those of 0.9 and 1.05 fill it until 1.9.
    answers = [ask(rate, clock, seconds) for seconds in (0, 0.9, 0.95, 1.05, 1.5, 1.95)]

    assert answers == [True, True, False, True, False, True]


def test_callers_do_not_share(clock) -> None:
    rate = Rate("1/minute")

    assert [ask(rate, clock, 0, caller) for caller in ("a", "b", "a", "b")] == [True, True, False, False]


def test_the_refusal_says_when_to_come_again(clock) -> None:
    rate = Rate("1 per 10 seconds")
    ask(rate, clock, 0)
    clock.now += 2.5

    with pytest.raises(RequestError, match="try again in 8 s") as refused:
        rate.check("shop")

    assert (refused.value.status, refused.value.code) == (429, "rate_limited")
    assert refused.value.headers == {"retry-after": "8"}
    assert not ask(rate, clock, 9.9)
    assert ask(rate, clock, 10.1)


@pytest.mark.parametrize("limit", ["", "many", "100", "100/fortnight", "-1/second", "1.5/second"])
def test_a_limit_that_cannot_be_read_is_named(limit) -> None:
    with pytest.raises(ConfigError, match="SIGHTLINE_RATE"):
        Rate(limit)


def test_nothing_is_kept_of_callers_that_left_and_little_of_those_that_stay(clock) -> None:
    rate = Rate("5/second")
    windows = rate._limiter.storage.events
    for number in range(1000):
        ask(rate, clock, 0, f"caller {number}")
    for tick in range(100):
        ask(rate, clock, SWEEP_SECONDS + tick, "shop")

    assert len(windows) == 1
    assert [len(entries) for entries in windows.values()] == [5]


def test_no_thread_is_started() -> None:
    before = threading.active_count()
    rate = Rate("1000/second")

    for _ in range(100):
        rate.check("shop")

    assert threading.active_count() == before
