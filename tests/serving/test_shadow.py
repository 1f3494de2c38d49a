"""The shadow: sees the champion's images, tells the others, keeps nobody waiting and fails alone."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from queue import Queue
from types import SimpleNamespace

import pytest

from registry.bundles import load_bundle
from registry.pointer import ChampionPointer, bundle_path
from serving.classified import Classified
from serving.engine import Engine
from serving.observers.metrics import Metrics
from serving.observers.shadow import LOWEST_PRIORITY, QUEUE, Shadow
from serving.settings import Settings
from serving.versions.champion import Arm, Served
from serving.workers import Workers

CHALLENGER = Served(ChampionPointer("digits", 2, "d" * 64), None, "shadow")


def make_answer(*names: str, arm: Arm = "champion") -> Classified:
    served = Served(ChampionPointer("digits", 1, "c" * 64), None, arm)
    return Classified("id", served, "0" * 64, None, list(names), {"decode": 0.0, "infer": 0.0}, False)


@contextmanager
def shadowing(
    classify: Callable[[Served, bytes], Classified], challenger: Served | None = CHALLENGER
) -> Iterator[tuple[Shadow, Queue[str]]]:
    events: Queue[str] = Queue()
    shadow = Shadow(classify, challenger=lambda model: challenger, count=events.put)
    yield shadow, events
    shadow.close()


@pytest.mark.parametrize(
    ("names", "event"), [(("b", "a"), "shadow_agreed"), (("a",), "shadow_differed"), ((), "shadow_differed")]
)
def test_agreement_is_that_of_the_classes_named(names, event) -> None:
    with shadowing(lambda served, data: make_answer(*names)) as (shadow, events):
        shadow.classified(make_answer("a", "b"), b"image")

        assert events.get(timeout=5) == event


@pytest.mark.parametrize(("arm", "challenger"), [("challenger", CHALLENGER), ("champion", None)])
def test_there_is_none_where_nobody_is_in_the_shadow(arm, challenger) -> None:
    asked: list[bytes] = []
    with shadowing(lambda served, data: asked.append(data), challenger) as (shadow, events):
        shadow.classified(make_answer("a", arm=arm), b"image")

    assert (asked, events.qsize()) == ([], 0)


def test_what_does_not_fit_is_dropped_and_nobody_waits() -> None:
    going_on = threading.Event()

    def classify(served: Served, data: bytes) -> Classified:
        going_on.wait(5)
        return make_answer("a")

    with shadowing(classify) as (shadow, events):
        for _ in range(QUEUE + 3):
            shadow.classified(make_answer("a"), b"image")
        dropped = [events.get_nowait() for _ in range(events.qsize())]
        going_on.set()
        assert dropped == ["shadow_dropped"] * 3
        assert [events.get(timeout=5) for _ in range(QUEUE)] == ["shadow_agreed"] * QUEUE


def test_a_shadow_that_fails_is_logged_once_and_goes_on(caplog) -> None:
    with shadowing(lambda served, data: 1 / 0) as (shadow, events), caplog.at_level(logging.ERROR):
        for _ in range(2 * QUEUE):
            shadow.classified(make_answer("a"), b"image")
            assert events.get(timeout=5) == "shadow_failed"

    assert [record.message for record in caplog.records] == ["digits version 2 fails in the shadow"]


def test_its_thread_yields_to_all_others() -> None:
    priorities: Queue[int] = Queue()

    def classify(served: Served, data: bytes) -> Classified:
        priorities.put(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        return make_answer("a")

    before = os.getpriority(os.PRIO_PROCESS, 0)
    with shadowing(classify) as (shadow, _):
        shadow.classified(make_answer("a"), b"image")
        assert priorities.get(timeout=5) == LOWEST_PRIORITY
    assert os.getpriority(os.PRIO_PROCESS, 0) == before


def test_the_other_observers_see_its_answers_once(registry, encoded) -> None:
    champion, challenger = (
        Served(registry.store(version), load_bundle(bundle_path(registry.workspace, "digits", version)), arm)
        for version, arm in ((1, "champion"), (2, "shadow"))
    )
    seen: Queue[Classified] = Queue()
    recorder = SimpleNamespace(classified=lambda answer, data: seen.put(answer))
    fleet, workers = SimpleNamespace(shadow=lambda model: challenger), Workers(1, queue=1, answer_seconds=5)
    engine = Engine(Settings(), fleet, Metrics(), workers, observers=(recorder,))
    shadow = Shadow.of(engine)

    answer = replace(engine, observers=(*engine.observers, shadow)).classify(champion, encoded["photo.jpg"])

    assert seen.get(timeout=5) is answer
    shadowed = seen.get(timeout=5)
    assert (shadowed.served, shadowed.sha256) == (challenger, answer.sha256)
    shadow.close()
    workers.close()
    assert seen.empty()
