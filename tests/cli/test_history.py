"""What `sightline history` shows and checks, and what dry runs answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cli.main import run
from registry.champion import promote, rollback
from registry.pointer import read_pointer
from registry.workspace import Workspace
from tests.registry.conftest import MODEL, Register
from tests.registry.ledger_rows import by_hand

Capture = pytest.CaptureFixture[str]
EDIT = "UPDATE sightline_ledger SET why = 'never' WHERE sequence = 1"


@pytest.fixture
def moved(workspace: Workspace, register: Register) -> Workspace:
    """Versions 1 and 2 were promoted, 2 was rolled back."""
    register(0.01)
    register(0.02)
    promote(workspace, MODEL, 1, who="ada@host", why="first", gate='{"action": "promote"}')
    promote(workspace, MODEL, 2, who="ada@host", why="better on [red]\nroses")
    rollback(workspace, MODEL, who="bob@host", why="complaints")
    return workspace


def answer(arguments: list[str], capture: Capture, status: int = 0) -> dict[str, Any]:
    """The one document on standard output."""
    capture.readouterr()
    assert run([*arguments, "--json"]) == status
    document: dict[str, Any] = json.loads(capture.readouterr().out)
    return document


def test_history_is_a_table_of_reigns(moved: Workspace, config: str, capsys: Capture) -> None:
    assert run(["history", "--config", config]) == 0

    head, first, second, third = capsys.readouterr().out.splitlines()
    assert head.split()[:3] == ["row", "from", "(UTC)"]
    assert first.split()[5:8] == ["1", "promote", "dddddddd"]
    assert "better on [red] roses" in second  # one line, whatever was given as a reason
    assert third.split()[3:6] == ["serves", "1", "rollback"]
    assert second.split()[3:5] == third.split()[1:3]  # a reign ends when the next begins


def test_history_as_json_has_whole_rows(moved: Workspace, config: str, capsys: Capture) -> None:
    document = answer(["history", "--config", config], capsys)

    first, second, third = document["rows"]
    assert (document["model"], document["champion"], document["clock_went_back"]) == (MODEL, 1, [])
    assert (first["until"], third["until"]) == (second["when"], None)
    assert (first["gate"], first["git_commit"]) == ('{"action": "promote"}', "abc123")
    assert "damage" not in document


def test_history_without_champion_says_how_to_make_one(
    workspace: Workspace, config: str, capsys: Capture
) -> None:
    assert answer(["history", "--config", config], capsys)["rows"] == []

    assert run(["history", "--check", "--config", config]) == 0
    assert "make train" in capsys.readouterr().out


def test_check_of_a_whole_ledger_is_said(moved: Workspace, config: str, capsys: Capture) -> None:
    assert answer(["history", "--check", "--config", config], capsys)["damage"] == []

    assert run(["history", "--check", "--config", config]) == 0
    assert "as it was written" in capsys.readouterr().out


def test_check_names_the_edited_row_and_fails(moved: Workspace, config: str, capsys: Capture) -> None:
    by_hand(moved, EDIT)

    (damage,) = answer(["history", "--check", "--config", config], capsys, status=1)["damage"]

    assert (damage["kind"], damage["first"]) == ("edited", 1)
    assert run(["history", "--check", "--config", config]) == 1
    assert "damaged: row 1 was edited" in capsys.readouterr().out
    assert run(["history", "--config", config]) == 0


@pytest.mark.parametrize("verb", [["promote", "2"], ["rollback"], ["status"]])
def test_verbs_refuse_an_edited_ledger(
    moved: Workspace, config: str, capsys: Capture, verb: list[str]
) -> None:
    by_hand(moved, EDIT)

    assert "row 1 was edited" in answer([*verb, "--config", config], capsys, status=1)["error"]
    assert read_pointer(moved, MODEL).version == 1


def test_new_ledger_lets_moves_go_on(moved: Workspace, config: str, capsys: Capture) -> None:
    by_hand(moved, EDIT)

    document = answer(
        ["history", "--new-ledger", "--check", "--reason", "a slip", "--config", config], capsys
    )

    (row,) = document["rows"]
    assert (row["version"], document["damage"]) == (1, [])
    assert row["why"].startswith("a slip; the ledger before is the table sightline_ledger_until_")
    assert answer(["promote", "2", "--config", config], capsys)["previous_version"] == 1


def test_clock_set_back_is_said(
    moved: Workspace, config: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("registry.champion.utc_now", lambda: "1999-12-31T23:59:59.000+00:00")
    promote(moved, MODEL, 2, who="ada@host", why="again")

    assert run(["history", "--config", config]) == 0

    assert "row 4 has an earlier time than the row before it" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("verb", "action", "target"),
    [(["promote", "2"], "promote", 2), (["rollback", "--to", "1"], "rollback", 1)],
)
def test_dry_run_says_what_would_move(
    workspace: Workspace,
    register: Register,
    config: str,
    capsys: Capture,
    verb: list[str],
    action: str,
    target: int,
) -> None:
    for scale in (0.01, 0.02, 0.03):
        register(scale)
    for version in (1, 3):
        promote(workspace, MODEL, version, who="ada@host", why="test")

    document = answer([*verb, "--dry-run", "--config", config], capsys)

    assert (document["action"], document["version"], document["previous_version"]) == (action, target, 3)
    assert (document["dry_run"], document["is_needed"]) == (True, True)
    assert run([*verb, "--dry-run", "--config", config]) == 0
    assert "nothing was moved" in capsys.readouterr().out
    assert answer(["history", "--config", config], capsys)["champion"] == 3


def test_dry_run_of_the_champion_says_so(moved: Workspace, config: str, capsys: Capture) -> None:
    assert run(["promote", "1", "--dry-run", "--config", config]) == 0

    assert "version 1 is champion already" in capsys.readouterr().out
