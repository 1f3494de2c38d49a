"""The threads of the service: what they refuse, give up and never begin."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from serving.answers import RequestError
from serving.workers import Workers


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


async def until(condition) -> None:
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it never came to be")


def test_each_asker_gets_the_answer_or_the_error_of_its_own_work() -> None:
    workers = Workers(2, queue=20, answer_seconds=10)

    async def ask() -> list[object]:
        tasks = [workers.run(lambda number=number: 10 // number) for number in (1, 2, 0, 5)]
        return await asyncio.gather(*tasks, return_exceptions=True)

    *right, wrong, last = asyncio.run(ask())
    assert (right, last) == ([10, 5], 2)
    assert isinstance(wrong, ZeroDivisionError)
    assert workers.pending == 0
    workers.close()


def test_a_full_queue_is_refused_and_has_room_again(gate) -> None:
    workers = Workers(1, queue=1, answer_seconds=10)

    async def ask() -> tuple[int, int]:
        waiting = [asyncio.create_task(workers.run(gate.wait)) for _ in range(2)]
        await until(lambda: workers.pending == 2)
        with pytest.raises(RequestError) as refusal:
            await workers.run(lambda: None)
        gate.set()
        await asyncio.gather(*waiting)
        return refusal.value.status, await workers.run(lambda: 7)

    assert asyncio.run(ask()) == (429, 7)
    workers.close()


def test_of_free_threads_the_last_to_have_worked_goes_next() -> None:
    workers = Workers(4, queue=4, answer_seconds=10)

    async def ask() -> list[str]:
        return [await workers.run(lambda: threading.current_thread().name) for _ in range(20)]

    assert len(set(asyncio.run(ask()))) == 1
    workers.close()


def test_what_waits_begins_in_the_order_of_its_coming(gate) -> None:
    workers, begun = Workers(1, queue=20, answer_seconds=10), []

    async def ask() -> None:
        first = asyncio.create_task(workers.run(gate.wait))
        others = [
            asyncio.create_task(workers.run(lambda number=number: begun.append(number)))
            for number in range(10)
        ]
        await until(lambda: workers.pending == 11)
        gate.set()
        await asyncio.gather(first, *others)

    asyncio.run(ask())
    assert begun == list(range(10))
    workers.close()


@pytest.mark.parametrize("leaves", [False, True])
def test_what_nobody_waits_for_any_more_is_never_begun(gate, leaves) -> None:
    workers, begun = Workers(1, queue=4, answer_seconds=10 if leaves else 0.1), []

    async def ask() -> list[object]:
        first = asyncio.create_task(workers.run(gate.wait))
        second = asyncio.create_task(workers.run(lambda: begun.append(1)))
        await asyncio.sleep(0.15)
        if leaves:
            second.cancel()
        ended = await asyncio.gather(second, return_exceptions=True)
        gate.set()
        await asyncio.gather(first, return_exceptions=True)
        await until(lambda: workers.pending == 0)
        return ended

    [ended] = asyncio.run(ask())
    assert begun == []
    if leaves:
        assert isinstance(ended, asyncio.CancelledError)
    else:
        assert isinstance(ended, RequestError)
        assert ended.status == 504
    workers.close()


def test_a_slow_past_refuses_who_would_be_late() -> None:
    workers = Workers(1, queue=100, answer_seconds=1)
    workers._mean_seconds = 0.6

    async def ask() -> list[object]:
        tasks = [workers.run(lambda: 1) for _ in range(3)]
        return await asyncio.gather(*tasks, return_exceptions=True)

    first, second, third = asyncio.run(ask())
    assert (first, second) == (1, 1)
    assert isinstance(third, RequestError)
    assert third.headers == {"retry-after": "2"}
    workers.close()


def test_closing_ends_what_runs_and_begins_nothing_else(gate) -> None:
    workers, begun = Workers(1, queue=4, answer_seconds=10), []

    async def ask() -> list[object]:
        tasks = [asyncio.create_task(workers.run(gate.wait))]
        tasks += [asyncio.create_task(workers.run(lambda: begun.append(1))) for _ in range(2)]
        await until(lambda: workers.pending == 3)
        threading.Timer(0.1, gate.set).start()
        await asyncio.to_thread(workers.close)
        return await asyncio.gather(*tasks, return_exceptions=True)

    first, *others = asyncio.run(ask())
    assert first is True
    assert [type(other) for other in others] == [asyncio.CancelledError] * 2
    assert begun == []
    with pytest.raises(RequestError, match="is ending"):
        asyncio.run(workers.run(lambda: 1))
