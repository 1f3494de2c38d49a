"""The schedule on one machine: at each time of its cron line, a job of infra/jobs.py in a process of its own.

APScheduler keeps the next times in SQLite. After downtime, or kill -9, one run of a job makes up for all its
firings that were missed. A firing that meets its own job still running is skipped and recorded. SIGTERM and
Ctrl-C stop the scheduler at once; a training that runs goes on to its end and is recorded (infra/firing.py).
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from apscheduler.events import EVENT_JOB_MODIFIED, EVENT_JOB_SUBMITTED
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.schedulers.base import BaseScheduler
from apscheduler.triggers.base import BaseTrigger

from infra.environment import TELEMETRY_OFF
from infra.firing_records import LOGS
from infra.jobs import CRON_KEY, Job
from infra.stop_signals import stop_signals
from registry.workspace import Workspace
from vision.errors import ConfigError, SightlineError
from vision.file_lock import exclusive

# Where training.py is: `zenml pipeline run training` imports it from the current folder.
ROOT = Path(__file__).resolve().parents[1]
# How late a firing can be after the machine slept or its clock was set.
CLOCK_SECONDS = 60
NextTimes = Mapping[str, datetime]


def run_schedule(jobs: Sequence[Job], workspace: Workspace, *, announce: Callable[[NextTimes], None]) -> None:
    """Returns when SIGTERM or SIGINT comes; SightlineError if a scheduler runs here already.

    `announce` is called with each job's next time, at the start and after each firing. ConfigError where
    no job has a time.
    """
    timed = [job for job in jobs if job.trigger is not None]
    if not timed:
        keys = " and ".join(f"{CRON_KEY}.{job.name}" for job in jobs)
        raise ConfigError(f"nothing is scheduled: {keys} are null; set one of them to a cron line")
    with _only_scheduler(workspace), stop_signals() as is_stopped:
        scheduler = BackgroundScheduler(jobstores={"default": _job_store(workspace)})
        scheduler.start(paused=True)
        try:
            keep_jobs(scheduler, timed, workspace)
            follow_clock(scheduler, datetime.now(UTC))
            announce(_next_times(scheduler))
            events = EVENT_JOB_SUBMITTED | EVENT_JOB_MODIFIED
            scheduler.add_listener(lambda _: announce(_next_times(scheduler)), events)
            scheduler.resume()
            while not is_stopped(CLOCK_SECONDS):
                follow_clock(scheduler, datetime.now(UTC))
        finally:
            scheduler.shutdown()


def run_once(job: Job, workspace: Workspace) -> int:
    """Runs the job now, whatever its times, and waits: the exit status, 0 where it was running already."""
    return _start_process(_arguments(job, workspace), in_background=False).wait()


def keep_jobs(scheduler: BaseScheduler, jobs: Sequence[Job], workspace: Workspace) -> None:
    """Makes the stored jobs those given. A job that stays as it is keeps the firing that was missed."""
    for stored in scheduler.get_jobs():
        if stored.id not in {job.name for job in jobs}:
            scheduler.remove_job(stored.id)
    for job in jobs:
        arguments = _arguments(job, workspace)
        stored = scheduler.get_job(job.name)
        if stored is None:
            scheduler.add_job(
                start_firing,
                job.trigger,
                args=arguments,
                id=job.name,
                coalesce=True,
                max_instances=1,
                misfire_grace_time=None,
            )
            continue
        if _described(stored.trigger) != _described(job.trigger):
            scheduler.reschedule_job(job.name, trigger=job.trigger)
        scheduler.modify_job(job.name, args=arguments)


def follow_clock(scheduler: BaseScheduler, now: datetime) -> None:
    """Takes the next times anew where the clock was set back, and looks at once whether one has come.

    A job waits for the first time after now, or for the second where the clock went back a little over
    a firing, which is not repeated. One that waits for a later time was planned by a clock that was wrong.
    """
    for job in scheduler.get_jobs():
        first = job.trigger.get_next_fire_time(None, now)
        second = job.trigger.get_next_fire_time(first, first)
        if job.next_run_time > second:
            scheduler.modify_job(job.id, next_run_time=first)
    scheduler.wakeup()  # else it sleeps as long as it meant to, whatever the clock says now


def start_firing(*arguments: str) -> None:
    """Starts one firing and does not wait: the job store names this function, so keep its place."""
    process = _start_process(arguments, in_background=True)
    threading.Thread(target=process.wait, daemon=True).start()  # else it stays a zombie


def _arguments(job: Job, workspace: Workspace) -> tuple[str, ...]:
    """Plain text alone: these are pickled into the job store, and must open after an update."""
    return (str(workspace.root), job.name, ",".join(job.alerts), *job.command)


def _start_process(arguments: Sequence[str], *, in_background: bool) -> subprocess.Popen[bytes]:
    root, *firing = arguments
    folder = Workspace(Path(root)).schedule
    (folder / LOGS).mkdir(parents=True, exist_ok=True)
    with (folder / LOGS / "firing.errors").open("ab") as errors:
        return subprocess.Popen(
            [sys.executable, "-m", "infra.firing", str(folder), *firing],
            cwd=ROOT,
            env={**TELEMETRY_OFF, **os.environ, "SIGHTLINE_HOME": root},
            stdin=subprocess.DEVNULL,
            stdout=errors,
            stderr=errors,
            # Ctrl-C and a closed terminal end the scheduler, not the training.
            start_new_session=in_background,
        )


def _next_times(scheduler: BaseScheduler) -> NextTimes:
    return {job.id: job.next_run_time for job in scheduler.get_jobs()}


def _described(trigger: BaseTrigger | None) -> tuple[str, str]:
    return str(trigger), str(getattr(trigger, "timezone", None))


def _job_store(workspace: Workspace) -> SQLAlchemyJobStore:
    return SQLAlchemyJobStore(url=f"sqlite:///{workspace.schedule / 'jobs.db'}")


@contextmanager
def _only_scheduler(workspace: Workspace) -> Iterator[None]:
    try:
        with exclusive(workspace.schedule / "scheduler.lock", wait=False):
            yield
    except BlockingIOError as holder:
        raise SightlineError(
            f"a scheduler runs already in {workspace.schedule} ({holder}): stop it first, or let it run"
        ) from None
