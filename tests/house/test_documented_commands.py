"""Every command that README and docs show could be typed: programs, verbs, options, modules, pipelines."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest
import typer

from cli.main import app

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "BENCHMARKS.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(?:sh|console)\n(.*?)^```", re.DOTALL | re.MULTILINE)
HERE_DOCUMENT = re.compile(r"<<'(\w+)'\n.*?^\1$", re.DOTALL | re.MULTILINE)


def commands(page: Path, program: str) -> list[list[str]]:
    """Words behind each call of the program in the page's blocks."""
    found = []
    for block in BLOCK.findall(page.read_text()):
        text = HERE_DOCUMENT.sub("", block).replace("\\\n", " ")
        for line in text.splitlines():
            words = shlex.split(line, comments=True)
            for place, word in enumerate(words):
                if word == program and (place == 0 or words[place - 1] in ("&&", ";", "|", "nice")):
                    found.append(_until_operator(words[place + 1 :]))
    return found


def _until_operator(words: list[str]) -> list[str]:
    end = next((i for i, word in enumerate(words) if word in (">", "&&", "|", "&", ";", "2>&1")), len(words))
    return words[:end]


@pytest.fixture(params=PAGES, ids=lambda page: page.name)
def page(request) -> Path:
    return request.param


def test_verbs_take_the_arguments_that_are_shown(page) -> None:
    command = typer.main.get_command(app)
    for words in commands(page, "sightline"):
        context, current, rest = typer.Context(command), command, list(words)
        while getattr(current, "commands", None):
            current = current.commands[rest.pop(0)]
        current.make_context(" ".join(words), rest, parent=context)  # a usage error says what is wrong


def test_modules_that_are_run_exist(page) -> None:
    for words in commands(page, "python") + commands(page, ".venv/bin/python"):
        if words[:1] == ["-m"]:
            assert find_spec(words[1]), words


def test_pipelines_that_are_run_exist(page) -> None:
    for words in commands(page, "zenml"):
        if words[:2] == ["pipeline", "run"]:
            module, _, name = words[2].rpartition(".")
            path = ROOT / (f"{module.replace('.', '/')}.py" if module else "training.py")
            assert re.search(rf"^(def )?{name}\b", path.read_text(), re.MULTILINE) or name == "training", (
                words
            )


def test_blocks_are_shell(page) -> None:
    bash = shutil.which("bash") or pytest.skip("no bash")
    for block in BLOCK.findall(page.read_text()):
        ran = subprocess.run([bash, "-n"], input=block, text=True, capture_output=True, check=False)
        assert ran.returncode == 0, f"{ran.stderr}\n{block}"
