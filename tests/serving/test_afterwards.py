"""What is counted and logged when nobody waits for it."""

from __future__ import annotations

import threading
from functools import partial

import pytest

from serving import afterwards
from serving.afterwards import Afterwards
from serving.observers.metrics import Metrics


def test_without_a_thread_calls_are_done_at_once() -> None:
    done: list[int] = []
    calls = Afterwards()

    for number in range(3):
        calls.put(partial(done.append, number))
        assert done == list(range(number + 1))


def test_a_thread_does_them_in_order_and_the_end_waits_for_all(monkeypatch) -> None:
    monkeypatch.setattr(afterwards, "TICK_SECONDS", 60)
    done: list[int] = []
    calls = Afterwards()
    calls.start()
    for number in range(100):
        calls.put(partial(done.append, number))

    assert done == []
    calls.close()
    assert done == list(range(100))


def test_a_call_may_put_down_another() -> None:
    done: list[int] = []
    calls = Afterwards()

    calls.put(lambda: calls.put(partial(done.append, 1)))

    assert done == [1]


def test_a_tick_is_enough(monkeypatch) -> None:
    monkeypatch.setattr(afterwards, "TICK_SECONDS", 0.01)
    done = threading.Event()
    calls = Afterwards()
    calls.start()
    calls.put(done.set)

    assert done.wait(10)
    calls.close()


def test_who_finds_too_many_does_them(monkeypatch) -> None:
    monkeypatch.setattr(afterwards, "TICK_SECONDS", 60)
    monkeypatch.setattr(afterwards, "MOST_WAITING", 10)
    done: list[int] = []
    calls = Afterwards()
    calls.start()
    for number in range(11):
        calls.put(partial(done.append, number))

    assert len(done) == 11
    calls.close()


def test_one_that_fails_is_logged_and_the_others_are_done(caplog: pytest.LogCaptureFixture) -> None:
    done: list[int] = []
    calls = Afterwards()

    calls.put(lambda: 1 / 0)
    calls.put(partial(done.append, 1))

    assert done == [1]
    assert "ZeroDivisionError" in caplog.text


def test_metrics_show_what_was_counted_until_they_are_asked_for(monkeypatch) -> None:
    monkeypatch.setattr(afterwards, "TICK_SECONDS", 60)
    calls = Afterwards()
    calls.start()
    metrics = Metrics(calls)

    metrics.count_request("/v1/classify", 200)

    assert b'sightline_requests_total{route="/v1/classify",status="200"} 1.0' in metrics.text()
    calls.close()
