"""The schedule on an orchestrator that takes schedules: the cron lines of the YAML as ZenML's Schedules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from zenml.client import Client
from zenml.config.schedule import Schedule
from zenml.utils import source_utils

from vision.config_file import load_config
from vision.errors import ConfigError

# A row a key of config.schedule: the SOURCE of `zenml pipeline run`.
PIPELINES = {
    "training": "pipelines.training.training",
    "monitoring": "pipelines.monitoring.monitoring",
}


def schedule_on_stack(config_path: Path, lines: Mapping[str, str | None]) -> dict[str, str]:
    """What each schedule became, by its name MODEL-JOB; one that is there already is replaced.

    `lines` has a cron line a job, its weekdays by name; None removes the job's schedule. ConfigError where
    the active stack's orchestrator takes no schedules, or deletes none and has one.
    """
    client = Client()
    orchestrator = client.active_stack.orchestrator
    if not orchestrator.config.is_schedulable:
        raise ConfigError(
            f'the orchestrator of the active stack "{client.active_stack.name}" is {orchestrator.flavor},'
            " which takes no schedules: run `sightline schedule` on this machine, or `zenml stack set` a"
            " stack on Kubernetes, Kubeflow, Airflow, Vertex AI or SageMaker"
        )
    model, in_dialect = load_config(config_path).name, DIALECTS.get(orchestrator.flavor, str)
    made = {}
    for job, line in lines.items():
        name = f"{model}-{job}"
        _remove(client, name)
        made[name] = in_dialect(line) if line else "never"
        if line:
            schedule = Schedule(name=name, cron_expression=made[name])
            pipeline = source_utils.load(PIPELINES[job])
            pipeline.with_options(config_path=str(config_path), schedule=schedule)()
    return made


def _remove(client: Client, name: str) -> None:
    orchestrator = client.active_stack.orchestrator
    for schedule in client.list_schedules(name=name):
        if not orchestrator.supports_schedule_deletion:
            raise ConfigError(
                f'the schedule "{name}" is there already, and ZenML cannot delete one from'
                f" {orchestrator.flavor}: delete it there, then `zenml pipeline schedule delete {name}`, and"
                " run this again"
            )
        client.delete_schedule(schedule.id)


def _with_seconds(line: str) -> str:
    """Kubeflow reads five fields as seconds, minutes ...: kfp.Client.create_recurring_run wants six."""
    return f"0 {line}"


def _of_aws(line: str) -> str:
    """Six fields, the last a year, and `?` for the one of day and weekday that does not matter."""
    minute, hour, day, month, weekday = line.split()
    if weekday == "*":
        return f"{minute} {hour} {day} {month} ? *"
    return f"{minute} {hour} ? {month} {weekday.upper()} *"


# How an orchestrator writes a cron line, where it differs from cron; all read it in their own time zone.
DIALECTS: Mapping[str, Callable[[str], str]] = {"kubeflow": _with_seconds, "sagemaker": _of_aws}
