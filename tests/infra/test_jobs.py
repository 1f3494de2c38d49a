"""The jobs of the schedule come from the YAML."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from infra.jobs import COMMANDS, Job, job_command, next_firings, read_jobs
from infra.scheduler import run_schedule
from registry.workspace import Workspace
from vision.errors import ConfigError
from vision.operation_config import ScheduleConfig

ROOT = Path(__file__).parents[2]


def write_config(folder: Path, schedule: str) -> Path:
    path = folder / "run.yaml"
    path.write_text(f"parameters: {{config: {{schedule: {schedule}, alerts: {{kinds: [schedule]}}}}}}")
    return path


def test_every_key_of_the_schedule_is_a_job() -> None:
    assert set(COMMANDS) == set(ScheduleConfig.model_fields)


def test_jobs_follow_the_yaml(tmp_path: Path) -> None:
    path = write_config(tmp_path, '{training: "30 2 * * *", monitoring: null}')

    training, monitoring = read_jobs(path)

    assert (training.name, training.cron, training.alerts) == ("training", "30 2 * * *", ("schedule",))
    assert (monitoring.name, monitoring.cron, monitoring.trigger) == ("monitoring", None, None)
    first, second = next_firings(training.trigger, 2)
    assert (first.hour, first.minute) == (2, 30)
    assert timedelta(hours=22) < second - first < timedelta(hours=26)


@pytest.mark.parametrize("job", COMMANDS)
def test_program_is_that_of_this_environment(job: str) -> None:
    program, *_, config = job_command(job, Path("run.yaml"))

    assert os.access(program, os.X_OK)
    assert config == str(Path("run.yaml").resolve())


def test_commands_are_those_of_the_documentation() -> None:
    assert job_command("training", Path("a"))[1:-1] == ("pipeline", "run", "training", "-c")
    assert (ROOT / "training.py").is_file()
    assert job_command("monitoring", Path("a"))[1:-1] == ("monitor", "--config")
    assert CliRunner().invoke(app, ["monitor", "--help"]).exit_code == 0


@pytest.mark.parametrize("job", COMMANDS)
def test_bad_cron_line_names_the_key_and_the_file(tmp_path: Path, job: str) -> None:
    path = write_config(tmp_path, f'{{{job}: "99 2 * * *"}}')

    with pytest.raises(ConfigError, match=rf"run\.yaml: config\.schedule\.{job}: received "):
        read_jobs(path)


def test_nothing_scheduled_is_refused(tmp_path: Path) -> None:
    jobs = [Job("training", ("true",)), Job("monitoring", ("true",))]

    with pytest.raises(ConfigError, match=r"config\.schedule\.training and config\.schedule\.monitoring are"):
        run_schedule(jobs, Workspace(tmp_path), announce=lambda _: None)
