"""What runs by itself, and when: one row a job. Its name is its key in config.schedule, and names its lock.

Each is a command in a process of its own. What retrains between two trainings, as `sightline monitor` does
where that is due, takes the lock of `training` (workspace/schedule/training.lock): never two train at once.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from apscheduler.triggers.base import BaseTrigger

from infra.cron import cron_trigger
from vision.config_file import load_config
from vision.operation_config import AlertKind

# The run file follows.
COMMANDS = {
    "training": ("zenml", "pipeline", "run", "training", "-c"),
    "monitoring": ("sightline", "monitor", "--config"),
}
CRON_KEY = "config.schedule"


@dataclass(frozen=True)
class Job:
    """`cron` and `trigger` are None where it never runs by itself; `alerts` are the kinds that are told."""

    name: str
    command: tuple[str, ...]
    cron: str | None = None
    trigger: BaseTrigger | None = None
    alerts: tuple[AlertKind, ...] = ()


def read_jobs(config_path: Path) -> tuple[Job, ...]:
    """A job for each row of COMMANDS; ConfigError, naming the key, for a cron line that cannot fire."""
    config = load_config(config_path)
    jobs = []
    for name in COMMANDS:
        cron = getattr(config.schedule, name)
        where = f"{config_path}: {CRON_KEY}.{name}"
        trigger = None if cron is None else cron_trigger(cron, where=where)
        jobs.append(Job(name, job_command(name, config_path), cron, trigger, config.alerts.kinds))
    return tuple(jobs)


def job_command(name: str, config_path: Path) -> tuple[str, ...]:
    """The program of this environment, whatever the PATH says."""
    program, *arguments = COMMANDS[name]
    return (str(Path(sys.executable).with_name(program)), *arguments, str(config_path.resolve()))


def next_firings(trigger: BaseTrigger, count: int) -> tuple[datetime, ...]:
    """The next times, in local time."""
    times: list[datetime] = []
    now = datetime.now().astimezone()
    for _ in range(count):
        now = trigger.get_next_fire_time(times[-1] if times else None, now)
        times.append(now)
    # A time in the hour that spring leaves out is shown as it comes, an hour later.
    return tuple(time.astimezone() for time in times)
