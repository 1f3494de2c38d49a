"""`sightline schedule` shows times and last runs, and runs one job at once."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cli.main import run
from cli.schedule import _announce
from infra.firing_records import Firing, read_firings, record_firing
from registry.workspace import Workspace

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("SIGHTLINE_HOME", str(tmp_path / "workspace"))
    return Workspace.from_environment()


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "run.yaml"
    path.write_text('parameters: {config: {schedule: {training: "0 3 * * *", monitoring: null}}}')
    return str(path)


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What stands in for the job's command."""
    words = [sys.executable, "-c", "print('done')"]
    monkeypatch.setattr("infra.jobs.job_command", lambda *_: tuple(words))
    return words


def test_json_shows_cron_next_and_last_of_each_job(
    workspace: Workspace, config: str, capsys: Capture
) -> None:
    record_firing(workspace.schedule, Firing("2026-06-01T03:00", None, ended="later", exit_code=3))

    assert run(["schedule", "--config", config, "--json"]) == 0

    document = json.loads(capsys.readouterr().out)
    training, monitoring = document["training"], document["monitoring"]
    assert (training["cron"], len(training["next"]), training["last"]["exit_code"]) == ("0 3 * * *", 3, 3)
    assert all("T03:00:00" in time for time in training["next"])
    assert monitoring == {"cron": None, "next": [], "last": None}


def test_once_runs_the_job_and_answers_with_its_status(
    workspace: Workspace, config: str, command: list[str], capsys: Capture
) -> None:
    assert run(["schedule", "--config", config, "--once", "monitoring", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["job"], document["exit_code"]) == ("monitoring", 0)
    assert Path(document["log"]).read_text() == "done\n"

    command[2] = "raise SystemExit(4)"
    assert run(["schedule", "--config", config, "--once", "training"]) == 4
    assert [firing.exit_code for firing in read_firings(workspace.schedule)] == [0, 4]


def test_once_of_an_unknown_job_names_the_jobs(workspace: Workspace, config: str, capsys: Capture) -> None:
    assert run(["schedule", "--config", config, "--once", "dreaming"]) == 1
    assert 'unknown job "dreaming": choose one of monitoring, training' in capsys.readouterr().err


def test_announcement_says_what_is_made_up_for(capsys: Capture) -> None:
    now = datetime.now(UTC)

    _announce({"training": now - timedelta(hours=1), "monitoring": now + timedelta(days=300)})

    training, monitoring, _ = capsys.readouterr().out.splitlines()
    assert training.split(maxsplit=2) == ["next", "training", "now, for what was missed"]
    later = (now + timedelta(days=300)).astimezone()
    assert monitoring.split(maxsplit=2) == ["next", "monitoring", f"{later:%Y-%m-%d %H:%M %Z}"]
