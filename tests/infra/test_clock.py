"""The schedule under a clock that is set forward or back, sleeps, or changes to summer time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar, Self
from zoneinfo import ZoneInfo

import pytest
import tzlocal
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger

from infra.cron import cron_trigger
from infra.jobs import Job
from infra.scheduler import follow_clock, keep_jobs
from registry.workspace import Workspace

NIGHTLY = CronTrigger(hour=3, timezone=UTC)
Start = Callable[[datetime], BackgroundScheduler]


class Clock(datetime):
    """APScheduler's datetime, with a now that tests set."""

    moment: ClassVar[datetime]

    @classmethod
    def now(cls, tz: object = None) -> Self:
        return cls.moment.astimezone(tz)  # type: ignore[arg-type, return-value]


def at(day: int, hour: int, minute: int = 0, *, year: int = 2026) -> datetime:
    return datetime(year, 6, day, hour, minute, tzinfo=UTC)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> threading.Semaphore:
    """Released once a run."""
    count = threading.Semaphore(0)
    monkeypatch.setattr("infra.scheduler.start_firing", lambda *_: count.release())
    return count


@pytest.fixture
def start(tmp_path: Path, runs: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """A scheduler with a training at 03:00 UTC, planned at that moment."""
    scheduler = BackgroundScheduler(timezone=UTC)

    def start_at(moment: datetime) -> BackgroundScheduler:
        Clock.moment = moment
        monkeypatch.setattr("apscheduler.schedulers.base.datetime", Clock)
        scheduler.start(paused=True)
        keep_jobs(scheduler, [Job("training", ("true",), "0 3 * * *", NIGHTLY)], Workspace(tmp_path))
        return scheduler

    yield start_at
    scheduler.shutdown()


def set_clock(scheduler: BackgroundScheduler, moment: datetime) -> None:
    """The look that the scheduler takes every minute, at another time."""
    Clock.moment = moment
    follow_clock(scheduler, moment)


def next_time(scheduler: BackgroundScheduler) -> datetime:
    moment: datetime = scheduler.get_job("training").next_run_time
    return moment


def test_clock_set_forward_by_weeks_runs_a_job_once(start: Start, runs: threading.Semaphore) -> None:
    scheduler = start(at(1, 12))
    scheduler.resume()
    time.sleep(0.3)  # it has looked, and sleeps until three in the morning

    set_clock(scheduler, at(22, 12))

    assert runs.acquire(timeout=20)
    assert not runs.acquire(timeout=0.2)
    assert next_time(scheduler) == at(23, 3)


@pytest.mark.parametrize(
    ("planned", "now", "expected"),
    [
        pytest.param(at(1, 12), at(1, 13), at(2, 3), id="goes on"),
        pytest.param(at(2, 3, 1), at(2, 2, 59), at(3, 3), id="back over a firing: not repeated"),
        pytest.param(at(2, 12), at(1, 12), at(3, 3), id="back by a day: not repeated"),
        pytest.param(at(5, 12), at(1, 12), at(2, 3), id="back by more: a clock that was wrong"),
        pytest.param(at(1, 12, year=2036), at(1, 12), at(2, 3), id="planned ten years ahead"),
    ],
)
def test_clock_set_back(start: Start, planned: datetime, now: datetime, expected: datetime) -> None:
    scheduler = start(planned)
    set_clock(scheduler, now)
    assert next_time(scheduler) == expected


def test_missed_firing_is_not_forgotten_by_the_look(start: Start) -> None:
    scheduler = start(at(1, 12))
    set_clock(scheduler, at(9, 12))
    assert next_time(scheduler) == at(2, 3)  # paused, so it waits still


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[ZoneInfo]:
    """Local time is Berlin's: clocks go forward on 2026-03-29 at 02:00 and back on 2026-10-25 at 03:00."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    tzlocal.reload_localzone()
    yield ZoneInfo("Europe/Berlin")
    monkeypatch.undo()
    tzlocal.reload_localzone()


@pytest.mark.parametrize(
    ("line", "month", "day", "hours"),
    [
        # Hours in UTC since local midnight, which is 23:00 UTC in March and 22:00 UTC in October.
        pytest.param("30 2 * * *", 3, 29, [2.5], id="02:30 is left out: an hour later, once"),
        pytest.param("0 3 * * *", 3, 29, [2], id="03:00 comes an hour sooner"),
        pytest.param("0 * * * *", 3, 29, list(range(23)), id="23 hours"),
        pytest.param("0 * * * *", 10, 25, list(range(25)), id="25 hours"),
        pytest.param("0 3 * * *", 10, 25, [4], id="03:00 comes an hour later"),
        pytest.param("30 2 * * *", 10, 25, [2.5, 3.5], id="02:30 comes twice"),
    ],
)
def test_day_on_which_clocks_change(
    berlin: ZoneInfo, line: str, month: int, day: int, hours: list[float]
) -> None:
    trigger = cron_trigger(line, where="here")
    midnight = datetime(2026, month, day, tzinfo=berlin)
    end = datetime(2026, month, day + 1, tzinfo=berlin)

    times, moment = [], trigger.get_next_fire_time(None, midnight)
    while moment.timestamp() < end.timestamp():
        times.append(moment)
        moment = trigger.get_next_fire_time(moment, moment)

    found = [timedelta(seconds=moment.timestamp() - midnight.timestamp()) for moment in times]
    assert found == [timedelta(hours=hour) for hour in hours]
