"""The command: one document with --json, one line when it fails, quick to answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cli.main import run
from registry.versions import tag_version
from registry.workspace import Workspace
from tests.registry.conftest import MODEL, Register

ROOT = Path(__file__).parents[2]
Capture = pytest.CaptureFixture[str]


def answer(arguments: list[str], capture: Capture, status: int = 0) -> dict[str, Any]:
    """The one document on standard output."""
    assert run([*arguments, "--json"]) == status
    document: dict[str, Any] = json.loads(capture.readouterr().out)
    return document


def test_status_without_champion_says_how_to_make_one(
    workspace: Workspace, config: str, capsys: Capture
) -> None:
    assert run(["status", "--config", config]) == 1

    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1
    assert "make train" in captured.err
    assert "make train" in answer(["status", "--config", config], capsys, status=1)["error"]


def test_status_shows_the_champion(
    workspace: Workspace, register: Register, config: str, capsys: Capture
) -> None:
    bundle = register(0.01).bundle
    tag_version(workspace, MODEL, 1, bento_tag="sightline:abc")
    answer(["promote", "1", "--reason", "first", "--config", config], capsys)

    document = answer(["status", "--config", config], capsys)
    assert (document["version"], document["bundle"]) == (1, str(bundle))
    assert document["metrics"]["accuracy"] == {"value": 0.9, "low": 0.85, "high": 0.94}
    assert document["promoted"]["why"] == "first"
    assert "@" in document["promoted"]["who"]

    assert run(["status", "--config", config]) == 0
    text = capsys.readouterr().out
    assert f"{MODEL} version 1" in text
    assert "0.9000  95 % 0.8500-0.9400" in text
    assert str(bundle) in text
    assert "sightline:abc" in text


def test_promote_and_rollback_answer_with_the_move(
    workspace: Workspace, register: Register, config: str, capsys: Capture
) -> None:
    register(0.01)
    register(0.02)
    answer(["promote", "1", "--config", config], capsys)

    assert answer(["promote", "2", "--config", config], capsys)["previous_version"] == 1
    document = answer(["rollback", "--reason", "worse", "--config", config], capsys)

    assert (document["version"], document["action"], document["why"]) == (1, "rollback", "worse")
    assert run(["rollback", "--to", "2", "--config", config]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_the_stores_latest_bento_moves_with_the_champion(
    workspace: Workspace, register: Register, config: str, capsys: Capture
) -> None:
    store = workspace.bentoml / "bentos" / f"sightline-{MODEL}"
    for number, rate in ((1, 0.01), (2, 0.02)):
        register(rate)
        (store / str(number)).mkdir(parents=True)

    named = []
    for words in (["promote", "1"], ["promote", "2"], ["rollback"]):
        answer([*words, "--config", config], capsys)
        named.append((store / "latest").read_text())

    assert named == ["1", "2", "1"]


@pytest.mark.parametrize(
    "arguments", [["promote"], ["promote", "x"], ["promote", "0"], ["demote"], ["status", "--verbose"]]
)
def test_wrong_usage_is_one_line_and_exit_status_2(arguments: list[str], capsys: Capture) -> None:
    assert run(arguments) == 2

    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1
    assert "error" in answer(arguments, capsys, status=2)


def test_several_mistakes_in_the_yaml_are_one_line(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("parameters: {config: {seed: -1, tran: {}}}")

    assert run(["status", "--config", str(path)]) == 1

    (line,) = capsys.readouterr().err.splitlines()
    assert "config.seed" in line
    assert "config.tran" in line


def test_schedule_shows_next_runs(workspace: Workspace, config: str, capsys: Capture) -> None:
    document = answer(["schedule", "--config", config], capsys)

    assert document["training"]["cron"] == "0 3 * * *"
    assert len(document["training"]["next"]) == 3
    assert all("T03:00:00" in time for time in document["training"]["next"])


def test_bad_cron_line_is_named(tmp_path: Path, workspace: Workspace, capsys: Capture) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("parameters: {config: {schedule: {training: every day}}}")

    assert run(["schedule", "--config", str(path)]) == 1
    assert "config.schedule.training" in capsys.readouterr().err


def test_command_as_a_process(workspace: Workspace, register: Register, config: str) -> None:
    register(0.01)
    arguments = [str(Path(sys.executable).with_name("sightline")), "promote", "9", "--json"]
    done = subprocess.run(
        [*arguments, "--config", config], capture_output=True, text=True, env=dict(os.environ)
    )

    assert done.returncode == 1
    assert "registered are 1" in json.loads(done.stdout)["error"]
    assert len(done.stderr.splitlines()) == 1


def test_help_brings_nothing_heavy() -> None:
    code = (
        "import sys, cli.main; heavy = {'mlflow', 'tensorflow', 'zenml', 'numpy', 'pandas', 'sqlalchemy'};"
        "sys.exit(bool(heavy & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
