"""`sightline keys`: a key is shown once, its name ever after."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cli.main import run
from serving.front.keys import Keys

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIGHTLINE_KEYS_FILE", str(tmp_path / "keys.json"))
    return tmp_path / "keys.json"


def answer(capture: Capture, *arguments: str, status: int = 0) -> dict[str, Any]:
    assert run(["keys", *arguments, "--json"]) == status
    document: dict[str, Any] = json.loads(capture.readouterr().out)
    return document


def test_a_key_that_was_added_opens_until_it_is_removed(file: Path, capsys: Capture) -> None:
    made = answer(capsys, "add", "shop")
    assert made["file"] == str(file)
    assert Keys(file).name_of(made["key"].encode()) == "shop"

    assert answer(capsys, "remove", "shop")["removed"] == "shop"
    assert Keys(file).name_of(made["key"].encode()) is None


def test_list_shows_names_and_no_key(file: Path, capsys: Capture) -> None:
    keys = [answer(capsys, "add", name)["key"] for name in ("shop", "lab")]

    shown = answer(capsys, "list")
    assert [key["name"] for key in shown["keys"]] == ["shop", "lab"]
    assert run(["keys", "list"]) == 0
    text = capsys.readouterr().out
    assert text.index("shop") < text.index("lab")
    assert not any(key in text or key in json.dumps(shown) for key in keys)


def test_add_says_what_to_do_with_the_key(file: Path, capsys: Capture) -> None:
    assert run(["keys", "add", "shop"]) == 0

    text = capsys.readouterr().out
    assert "sl_" in text
    assert f"SIGHTLINE_KEYS_FILE={file}" in text


def test_the_workspace_has_the_file_unless_told_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.delenv("SIGHTLINE_KEYS_FILE", raising=False)
    monkeypatch.setenv("SIGHTLINE_HOME", str(tmp_path))

    assert answer(capsys, "add", "shop")["file"] == str(tmp_path / "keys.json")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["add", "two words"], "letters, digits"),
        (["remove", "shop"], "no file of API keys"),
        (["list"], "`sightline keys add NAME` makes one"),
    ],
)
def test_mistakes_are_one_line(file: Path, capsys: Capture, arguments: list[str], said: str) -> None:
    assert run(["keys", *arguments]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
