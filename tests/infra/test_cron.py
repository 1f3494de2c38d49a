"""A cron line means what cron says, though APScheduler counts weekdays from Monday."""

from __future__ import annotations

from datetime import datetime

import pytest

from infra.cron import cron_trigger
from vision.errors import ConfigError

SUNDAY = 6  # of datetime.weekday()


def weekdays(line: str) -> set[int]:
    """The days on which the line fires in ten firings."""
    trigger = cron_trigger(line, where="here")
    time = datetime(2026, 1, 1, tzinfo=trigger.timezone)
    days = set()
    for _ in range(10):
        time = trigger.get_next_fire_time(time, time)
        days.add(time.weekday())
    return days


@pytest.mark.parametrize(
    ("field", "days"),
    [
        ("*", {0, 1, 2, 3, 4, 5, 6}),
        ("0", {SUNDAY}),
        ("7", {SUNDAY}),
        ("sun", {SUNDAY}),
        ("1", {0}),
        ("1-5", {0, 1, 2, 3, 4}),
        ("MON-FRI", {0, 1, 2, 3, 4}),
        ("5-7", {4, 5, SUNDAY}),
        ("fri-sun", {4, 5, SUNDAY}),
        ("0,6", {5, SUNDAY}),
        ("*/2", {SUNDAY, 1, 3, 5}),
        ("1-5/2", {0, 2, 4}),
    ],
)
def test_weekdays_are_those_of_cron(field: str, days: set[int]) -> None:
    assert weekdays(f"0 3 * * {field}") == days


@pytest.mark.parametrize(
    "line",
    [
        "",
        "every day",
        "0 3 * *",
        "@daily",
        "61 3 * * *",
        "0 3 * * 8",
        "0 3 * * 5-1",
        "0 3 * * 1/0",
        "0 3 31 2 *",  # never comes
        "0 3 1 * 1",  # cron: either; APScheduler: both
    ],
)
def test_line_that_cannot_fire_is_refused(line: str) -> None:
    with pytest.raises(ConfigError, match=r"here: received "):
        cron_trigger(line, where="here")
