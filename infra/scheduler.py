"""Scheduled retraining on one machine: at each time of the cron line, `zenml pipeline run training`.

APScheduler keeps the next time in SQLite. After downtime, or kill -9, one training makes up for all
firings that were missed. A firing that meets a running training is skipped and recorded. SIGTERM and
Ctrl-C stop the scheduler at once; a training that runs goes on to its end and is recorded (infra/firing.py).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from apscheduler.events import EVENT_JOB_SUBMITTED
from apscheduler.job import Job
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger

from infra.cron import cron_trigger
from infra.firing import LOGS
from registry.workspace import Workspace
from vision.config_file import load_config
from vision.errors import SightlineError
from vision.file_lock import exclusive

JOB = "training"
CRON_KEY = "config.schedule.training"
# Where training.py is: `zenml pipeline run training` imports it from the current folder.
ROOT = Path(__file__).resolve().parents[1]
NO_TELEMETRY = {
    "ZENML_ANALYTICS_OPT_IN": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "BENTOML_DO_NOT_TRACK": "True",
    "GX_ANALYTICS_ENABLED": "false",
}


def run_schedule(
    config_path: Path,
    workspace: Workspace,
    *,
    announce: Callable[[datetime], None],
    command: Sequence[str] | None = None,
    trigger: BaseTrigger | None = None,
) -> None:
    """Returns when SIGTERM or SIGINT comes; SightlineError if a scheduler runs here already.

    `announce` is called with the next firing time, at the start and after each firing. `command` and
    `trigger` stand in for the training and for the YAML's cron line in tests.
    """
    trigger = trigger or training_trigger(config_path)
    arguments = [list(command or training_command(config_path)), str(workspace.root)]
    with _only_scheduler(workspace), _stop_signals() as wait_for_stop:
        scheduler = BackgroundScheduler(jobstores={"default": _job_store(workspace)})
        scheduler.start(paused=True)
        try:
            job = _keep_job(scheduler, trigger, arguments)
            announce(job.next_run_time)
            scheduler.add_listener(
                lambda _: announce(scheduler.get_job(JOB).next_run_time), EVENT_JOB_SUBMITTED
            )
            scheduler.resume()
            wait_for_stop()
        finally:
            scheduler.shutdown()


def training_trigger(config_path: Path) -> BaseTrigger:
    """The trigger of the YAML's cron line; ConfigError names the key."""
    return cron_trigger(load_config(config_path).schedule.training, where=f"{config_path}: {CRON_KEY}")


def training_command(config_path: Path) -> tuple[str, ...]:
    """The zenml of this environment, whatever the PATH says."""
    zenml = Path(sys.executable).with_name("zenml")
    return (str(zenml), "pipeline", "run", "training", "-c", str(config_path.resolve()))


def next_firings(config_path: Path, count: int) -> tuple[datetime, ...]:
    """The next times of the YAML's cron line, local time."""
    trigger = training_trigger(config_path)
    times: list[datetime] = []
    now = datetime.now().astimezone()
    for _ in range(count):
        times.append(trigger.get_next_fire_time(times[-1] if times else None, now))
        now = times[-1]
    return tuple(times)


def start_firing(command: Sequence[str], root: str) -> None:
    """Starts one firing and does not wait: the job store names this function, so keep its place."""
    folder = Workspace(Path(root)).schedule
    (folder / LOGS).mkdir(parents=True, exist_ok=True)
    environment: Mapping[str, str] = {**NO_TELEMETRY, **os.environ, "SIGHTLINE_HOME": root}
    with (folder / LOGS / "firing.errors").open("ab") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "infra.firing", str(folder), *command],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=errors,
            stderr=errors,
            start_new_session=True,  # Ctrl-C and a closed terminal end the scheduler, not the training
        )
    threading.Thread(target=process.wait, daemon=True).start()  # else it stays a zombie


def _keep_job(scheduler: BackgroundScheduler, trigger: BaseTrigger, arguments: Sequence[object]) -> Job:
    """The stored job. Replacing it as it is would forget the firing that was missed."""
    job = scheduler.get_job(JOB)
    if job is None:
        return scheduler.add_job(
            start_firing,
            trigger,
            args=arguments,
            id=JOB,
            coalesce=True,
            max_instances=1,
            misfire_grace_time=None,
        )
    if _described(job.trigger) != _described(trigger):
        scheduler.reschedule_job(JOB, trigger=trigger)
    return scheduler.modify_job(JOB, args=arguments)


def _described(trigger: BaseTrigger) -> tuple[str, str]:
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


@contextmanager
def _stop_signals() -> Iterator[Callable[[], object]]:
    """Waits for SIGTERM or SIGINT; the earlier handlers come back at the end.

    By a pipe that the system's own handler writes to: one in Python runs in the main thread when that wakes
    up, and a signal that reaches another thread does not wake it.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)  # set_wakeup_fd demands it
    earlier_pipe = signal.set_wakeup_fd(writing)
    earlier = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield lambda: os.read(reading, 1)
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(earlier_pipe)
        os.close(reading)
        os.close(writing)
