"""A cron line as people know it, for APScheduler, which counts the days of the week from Monday."""

from __future__ import annotations

from datetime import UTC, datetime

from apscheduler.triggers.cron import CronTrigger

from vision.errors import ConfigError

FORMAT = "five fields: minute hour day month weekday, such as `0 3 * * *` for 03:00 every day"
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


def cron_trigger(line: str, *, where: str) -> CronTrigger:
    """The trigger of a cron line in local time; ConfigError, naming `where`, for a line that cannot fire."""
    minute, hour, day, month, weekday = with_named_weekdays(line, where=where).split()
    try:
        trigger = CronTrigger(minute=minute, hour=hour, day=day, month=month, day_of_week=weekday)
    except ValueError as error:
        raise ConfigError(f'{where}: received "{line}": {error}; allowed are {FORMAT}') from error
    if trigger.get_next_fire_time(None, datetime.now(UTC)) is None:
        raise ConfigError(f'{where}: received "{line}", which never comes; allowed are {FORMAT}')
    return trigger


def with_named_weekdays(line: str, *, where: str) -> str:
    """The line with every day of the week by name, which all schedulers read alike; ConfigError as above."""
    try:
        minute, hour, day, month, weekday = line.split()
    except ValueError:
        raise ConfigError(f'{where}: received "{line}", allowed are {FORMAT}') from None
    if day != "*" and weekday != "*":
        # cron fires on either, APScheduler on both at once: refused rather than guessed.
        raise ConfigError(f'{where}: received "{line}": give a day of the month or a weekday, not both')
    try:
        return f"{minute} {hour} {day} {month} {_weekdays(weekday)}"
    except ValueError as error:
        raise ConfigError(f'{where}: received "{line}": {error}; allowed are {FORMAT}') from error


def _weekdays(field: str) -> str:
    """The field with every day by name. APScheduler takes 0 for Monday (its issue 286), cron for Sunday."""
    if field == "*":
        return field
    days = [day for part in field.split(",") for day in _days(part)]
    return ",".join(WEEKDAYS[day] for day in sorted(set(days)))


def _days(part: str) -> list[int]:
    """Days 0..6 from Sunday of one part of the list: `*`, a day or a range, each with an optional step."""
    span, _, step = part.partition("/")
    first, _, last = span.partition("-")
    start = 0 if span == "*" else _day(first)
    # Sunday may close a range: 5-7 and fri-sun.
    end = 6 if span == "*" or (step and not last) else _day(last or first)
    end = 7 if end == 0 < start else end
    days = [day % 7 for day in range(start, end + 1, int(step or 1))]
    if not days:
        raise ValueError(f'the days "{part}" run backwards')
    return days


def _day(name: str) -> int:
    if name.lower() in WEEKDAYS:
        return WEEKDAYS.index(name.lower())
    if name in tuple("01234567"):
        return int(name)
    raise ValueError(f'"{name}" is no day of the week')
