"""The guard ends what is broken, once, and leaves alone what chance explains."""

from __future__ import annotations

import logging
import threading
from collections import Counter

import numpy as np
import pytest

from registry.pointer import ChampionPointer
from registry.traffic import (
    Limits,
    Traffic,
    end_traffic,
    read_ended,
    read_traffic,
    traffic_path,
    write_traffic,
)
from registry.workspace import Workspace
from serving.classified import Classified
from serving.observers.guard import FOLLOW_SECONDS, Evidence, Guard
from serving.versions.champion import Arm, Served
from vision.errors import RegistryError

CHAMPION, CHALLENGER = ChampionPointer("digits", 1, "c" * 64), ChampionPointer("digits", 2, "d" * 64)
POINTERS = {"champion": CHAMPION, "challenger": CHALLENGER, "shadow": CHALLENGER}


def make_traffic(**options: object) -> Traffic:
    fields = {"model": "digits", "version": 2, "digest": "d" * 64, "since": "2026-11-01T12:00:00+00:00"}
    return Traffic(**(fields | options))


def make_answer(arm: Arm, seconds: float = 0.002, *, cached: bool = False) -> Classified:
    phases = {"decode": seconds / 2, "infer": seconds / 2}
    return Classified("id", Served(POINTERS[arm], None, arm), "0" * 64, None, ["a"], phases, cached)


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    workspace = Workspace(tmp_path)
    write_traffic(workspace, make_traffic())
    return workspace


@pytest.fixture
def events() -> Counter[str]:
    return Counter()


@pytest.fixture
def guard(workspace, events) -> Guard:
    return Guard(workspace, lambda event: events.update([event]))


def answer_slowly(guard: Guard) -> None:
    """Eleven comparisons of twenty pairs: 2 ** 11 / 12 is the first beyond 100."""
    for _ in range(11 * 20):
        guard.classified(make_answer("champion", 0.002), b"")
        guard.classified(make_answer("challenger", 0.005), b"")


def fail(guard: Guard) -> None:
    """Where one of a hundred may fail, the third failure in a row is beyond chance."""
    for _ in range(3):
        guard.failed(Served(CHALLENGER, None, "challenger"))


def judge_worse(guard: Guard) -> None:
    for _ in range(100):
        guard.judged(CHAMPION, "champion", True)
        guard.judged(CHALLENGER, "challenger", False)


@pytest.mark.parametrize(
    ("misbehave", "reason"),
    [
        (fail, "3 of 3 answers failed, allowed is 1.00%"),
        (answer_slowly, "more than 2 times the champion's in 11 of 11 comparisons"),
        (judge_worse, "the champion alone was right"),
    ],
)
def test_a_breach_ends_the_experiment_and_says_why(
    guard, workspace, events, caplog, misbehave, reason
) -> None:
    with caplog.at_level(logging.WARNING):
        misbehave(guard)

    assert read_traffic(workspace, "digits") is None
    ended = read_ended(workspace, "digits")
    assert ended.version == 2
    assert reason in ended.reason
    assert events == {"rolled_back": 1}
    assert [record.message for record in caplog.records] == [
        f"digits version 2 is rolled back: {ended.reason}"
    ]


def test_two_failures_ten_comparisons_and_good_answers_end_nothing(guard, workspace, events) -> None:
    for _ in range(2):
        guard.failed(Served(CHALLENGER, None, "challenger"))
    for _ in range(10 * 20):
        guard.classified(make_answer("champion", 0.002), b"")
        guard.classified(make_answer("challenger", 0.005), b"")
    for _ in range(200):
        guard.judged(CHAMPION, "champion", False)
        guard.judged(CHALLENGER, "challenger", True)

    assert read_traffic(workspace, "digits") == make_traffic()
    assert not events


@pytest.mark.parametrize("arm", ["champion", "shadow"])
def test_failures_of_others_are_not_the_challengers(guard, workspace, arm) -> None:
    for _ in range(50):
        guard.failed(Served(POINTERS[arm], None, arm))

    assert read_traffic(workspace, "digits") is not None


def test_remembered_and_shadowed_answers_say_nothing_of_latency(guard, workspace) -> None:
    for _ in range(500):
        guard.classified(make_answer("champion", 0.0, cached=True), b"")
        guard.classified(make_answer("shadow", 9.0), b"")
        guard.classified(make_answer("challenger", 9.0), b"")

    assert read_traffic(workspace, "digits") is not None


def test_late_answers_of_an_earlier_challenger_do_not_count(workspace, events, guard) -> None:
    earlier = ChampionPointer("digits", 7, "e" * 64)
    for _ in range(50):
        guard.failed(Served(earlier, None, "challenger"))

    assert read_traffic(workspace, "digits") is not None


def test_a_new_experiment_begins_without_what_was_seen(workspace, events) -> None:
    now = [100.0]
    guard = Guard(workspace, lambda event: events.update([event]), clock=lambda: now[0])
    for _ in range(2):
        guard.failed(Served(CHALLENGER, None, "challenger"))
    write_traffic(workspace, make_traffic(share=0.5))
    now[0] += FOLLOW_SECONDS
    for _ in range(2):
        guard.failed(Served(CHALLENGER, None, "challenger"))
    assert not events

    guard.failed(Served(CHALLENGER, None, "challenger"))
    assert events == {"rolled_back": 1}


def test_an_experiment_begun_since_the_last_look_is_not_ended(workspace, events) -> None:
    guard = Guard(workspace, lambda event: events.update([event]), clock=lambda: 100.0)
    guard.failed(Served(CHALLENGER, None, "challenger"))
    write_traffic(workspace, make_traffic(share=0.5))
    fail(guard)

    assert read_traffic(workspace, "digits") == make_traffic(share=0.5)
    assert not events


def test_limits_are_those_of_the_experiment(workspace, events, guard) -> None:
    write_traffic(workspace, make_traffic(limits=Limits(max_error_share=0.9)))
    fail(guard)

    assert not events


@pytest.mark.parametrize("text", ["", "{", '{"version": 2}'])
def test_a_damaged_file_is_no_experiment(guard, workspace, events, text) -> None:
    traffic_path(workspace, "digits").write_text(text)
    fail(guard)

    assert not events


def test_several_guards_end_an_experiment_once(workspace, events) -> None:
    """As worker processes do, each with threads of its own."""
    lock = threading.Lock()

    def count(event: str) -> None:
        with lock:
            events[event] += 1

    guards = [Guard(workspace, count) for _ in range(4)]
    threads = [threading.Thread(target=fail, args=(guard,)) for guard in guards for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert events == {"rolled_back": 1}


def test_what_cannot_be_ended_is_logged_and_tried_again(
    guard, workspace, events, caplog, monkeypatch
) -> None:
    def refuse(*_: object, **__: object) -> bool:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr("serving.observers.guard.end_traffic", refuse)
        fail(guard)
    assert "could not be ended" in caplog.text
    monkeypatch.setattr("serving.observers.guard.FOLLOW_SECONDS", 0)
    fail(guard)

    assert events == {"rolled_back": 1}


def test_another_experiment_is_not_ended_for_this_one(workspace) -> None:
    ended = end_traffic(workspace, "digits", reason="late", only=make_traffic(version=9))

    assert not ended
    assert read_traffic(workspace, "digits") == make_traffic()
    assert read_ended(workspace, "digits") is None


def test_a_damaged_experiment_is_ended_by_hand(workspace) -> None:
    traffic_path(workspace, "digits").write_text("{")

    assert end_traffic(workspace, "digits", reason="stopped")
    assert not end_traffic(workspace, "digits")
    ended = read_ended(workspace, "digits")
    assert (ended.version, ended.reason) == (None, "stopped")


def test_a_damaged_reason_says_so(workspace) -> None:
    traffic_path(workspace, "digits").with_name("traffic-ended.json").write_text("[")

    with pytest.raises(RegistryError, match="damaged"):
        read_ended(workspace, "digits")


def test_the_way_back_needs_no_room_for_the_reason(workspace, monkeypatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("registry.traffic.write_atomically", full)
    with pytest.raises(OSError, match="No space"):
        end_traffic(workspace, "digits")

    assert read_traffic(workspace, "digits") is None


def watch(evidence: Evidence, random: np.random.Generator, slower: float = 1.0) -> bool:
    """Whether 2000 answers end it: heavy-tailed, in bursts, 0.5 % fail, 20 % are the challenger's."""
    breaches: list[str] = []
    bursts = np.repeat(np.where(random.random(40) < 0.2, 10, 1), 50)
    latencies = np.exp(random.normal(0, 0.8, 2000)) * bursts
    for latency, ours, fails, right in zip(latencies, *random.random((3, 2000)), strict=True):
        arm: Arm = "challenger" if ours < 0.2 else "champion"
        evidence = step(evidence, arm, latency * (slower if ours < 0.2 else 1), fails < 0.005, right < 0.9)
        breaches += [evidence.breach()] if evidence.breach() else []
    return bool(breaches)


def step(evidence: Evidence, arm: Arm, latency: float, fails: bool, right: bool) -> Evidence:
    if fails:
        return evidence.of_failure() if arm == "challenger" else evidence
    return evidence.of_answer(make_answer(arm, latency)).of_feedback(arm, right)


def test_equal_arms_are_left_alone_though_all_is_noisy() -> None:
    random = np.random.default_rng(6)
    alarms = sum(watch(Evidence.none_yet(make_traffic()), random) for _ in range(20))

    assert alarms <= 1  # 3 * alpha = 0.6 of 20 at most


def test_a_challenger_ten_times_as_slow_is_found_in_the_same_noise() -> None:
    assert watch(Evidence.none_yet(make_traffic()), np.random.default_rng(7), slower=10.0)
