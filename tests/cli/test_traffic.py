"""`sightline traffic`: begins, shows and stops an experiment; refuses one that cannot be."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from cli.main import run
from registry.champion import promote
from registry.traffic import end_traffic, read_traffic, traffic_path
from registry.workspace import Workspace
from tests.registry.conftest import MODEL, Register

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def two_versions(workspace: Workspace, register: Register) -> Workspace:
    """Version 1 is champion."""
    register(0.01)
    register(0.02)
    promote(workspace, MODEL, 1, who="test", why="test")
    return workspace


@pytest.fixture
def ask(config: str, capsys: Capture) -> Any:
    """The one document that the verb prints."""

    def ask(*arguments: str, status: int = 0) -> dict[str, Any]:
        assert run(["traffic", *arguments, "--config", config, "--json"]) == status
        document: dict[str, Any] = json.loads(capsys.readouterr().out)
        return document

    return ask


def test_an_experiment_begins_now_with_its_steps(two_versions, ask) -> None:
    document = ask("2", "--share", "0.05", "--steps", "0.25, 0.5,1", "--step-minutes", "5")

    traffic = read_traffic(two_versions, MODEL)
    assert document["traffic"] == json.loads(traffic.model_dump_json())
    assert (document["share"], document["ended"]) == (0.05, None)
    assert (traffic.version, traffic.mode, traffic.steps, traffic.step_minutes) == (
        2,
        "split",
        (0.25, 0.5, 1),
        5,
    )
    assert abs((datetime.now(UTC) - datetime.fromisoformat(traffic.since)).total_seconds()) < 60


def test_the_digest_is_the_registered_bundles(two_versions, ask) -> None:
    from vision.bundle import bundle_digest

    ask("2")

    traffic = read_traffic(two_versions, MODEL)
    assert traffic.digest == bundle_digest(two_versions.registry / MODEL / "bundles" / "2")


def test_a_shadow_has_no_share(two_versions, ask) -> None:
    document = ask("2", "--shadow")

    assert (document["traffic"]["mode"], document["share"]) == ("shadow", None)


def test_nothing_is_on_at_first_and_after_stop(two_versions, ask) -> None:
    assert ask() == {"model": MODEL, "traffic": None, "share": None, "ended": None}
    ask("2")

    document = ask("--stop")

    assert document["traffic"] is None
    assert document["ended"]["version"] == 2
    assert document["ended"]["reason"].startswith("stopped by ")
    assert ask("--stop") == document


def test_it_shows_why_the_last_one_ended(two_versions, ask, config: str, capsys: Capture) -> None:
    ask("2", "--steps", "0.5")
    assert run(["traffic", "--config", config]) == 0
    running = capsys.readouterr().out
    end_traffic(two_versions, MODEL, reason="3 of 3 answers failed")
    assert run(["traffic", "--config", config]) == 0
    after = capsys.readouterr().out

    assert f"{MODEL} version 2: 10.0% of the requests" in running
    assert "10.0%, 50.0%, each for 10 minutes" in running
    assert "version 2: 3 of 3 answers failed" in after


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["9"], "registered are 1, 2"),
        (["1"], "version 1 of colours is the champion"),
        (["2", "--share", "1.5"], 'share "1.5": Input should be less than or equal to 1'),
        (["2", "--share=-0.1"], 'share "-0.1"'),
        (["2", "--share", "nan"], 'share "nan"'),
        (["2", "--steps", "0.05"], "shares 0.1, 0.05: each step must be above the one before"),
        (["2", "--steps", "0.5,2"], 'steps 1 "2.0"'),
        (["2", "--step-minutes", "0"], 'step_minutes "0.0"'),
        (["2", "--shadow", "--steps", "0.5"], "a shadow answers nobody"),
    ],
)
def test_an_experiment_that_cannot_be_is_refused_in_words(two_versions, ask, arguments, words) -> None:
    assert words in ask(*arguments, status=1)["error"]
    assert read_traffic(two_versions, MODEL) is None


@pytest.mark.parametrize("arguments", [["0"], ["x"], ["2", "--steps", "half"], ["2", "--stop"]])
def test_wrong_usage_has_status_2(workspace: Workspace, ask, arguments) -> None:
    assert "error" in ask(*arguments, status=2)


def test_without_a_champion_there_is_no_challenger(workspace: Workspace, register: Register, ask) -> None:
    register(0.01)

    assert "no champion yet" in ask("1", status=1)["error"]


def test_a_damaged_file_is_named_and_stop_removes_it(two_versions, ask) -> None:
    traffic_path(two_versions, MODEL).write_text("{")

    assert "--stop" in ask(status=1)["error"]
    assert ask("--stop")["ended"]["version"] is None
