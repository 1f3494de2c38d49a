"""`sightline schedule`: train and monitor by the cron lines of the YAML, until stopped."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import DEFAULT_CONFIG, AsJson, ConfigFile
from cli.output import show_json, show_rows

if TYPE_CHECKING:
    from infra.jobs import Job
    from registry.workspace import Workspace

SHOWN = 3


def schedule(
    config: ConfigFile = DEFAULT_CONFIG,
    once: Annotated[
        str, typer.Option("--once", metavar="JOB", help="run training or monitoring now, and exit")
    ] = "",
    stack: Annotated[
        bool, typer.Option("--stack", help="give the cron lines to the active stack's orchestrator, and exit")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Train and monitor by the cron lines of the YAML until stopped; --json shows the next runs and exits."""
    from infra.jobs import read_jobs
    from infra.scheduler import run_schedule
    from registry.workspace import Workspace

    jobs, workspace = read_jobs(config), Workspace.from_environment()
    if once:
        return _run_once(once, jobs, workspace, as_json=as_json)
    if stack:
        _give_to_stack(config, jobs, as_json=as_json)
    elif as_json:
        show_json({job.name: _described(job, workspace) for job in jobs})
    else:
        run_schedule(jobs, workspace, announce=_announce)
    return 0


def _run_once(name: str, jobs: tuple[Job, ...], workspace: Workspace, *, as_json: bool) -> int:
    from infra.firing_records import last_firing
    from infra.scheduler import run_once
    from vision.errors import ConfigError, one_of

    named = {job.name: job for job in jobs}
    if name not in named:
        raise ConfigError(one_of("job", name, named, "--once"))
    status = run_once(named[name], workspace)
    firing = last_firing(workspace.schedule, name)
    rows = vars(firing) if firing else {}
    (show_json if as_json else show_rows)({"job": name, "exit_code": status, **rows})
    return status


def _give_to_stack(config: ConfigFile, jobs: tuple[Job, ...], *, as_json: bool) -> None:
    from infra.cron import with_named_weekdays
    from pipelines.schedules import schedule_on_stack

    lines = {job.name: job.cron and with_named_weekdays(job.cron, where=job.name) for job in jobs}
    (show_json if as_json else show_rows)(schedule_on_stack(config, lines))


def _described(job: Job, workspace: Workspace) -> dict[str, object]:
    from infra.firing_records import last_firing
    from infra.jobs import next_firings

    times = next_firings(job.trigger, SHOWN) if job.trigger else ()
    last = last_firing(workspace.schedule, job.name)
    return {
        "cron": job.cron,
        "next": [time.isoformat() for time in times],
        "last": vars(last) if last else None,
    }


def _announce(times: Mapping[str, datetime]) -> None:
    show_rows({f"next {job}": _in_words(time) for job, time in times.items()} | {"stop with": "Ctrl-C"})


def _in_words(time: datetime) -> str:
    is_missed = time <= datetime.now(time.tzinfo)
    return "now, for what was missed" if is_missed else f"{time.astimezone():%Y-%m-%d %H:%M %Z}"
