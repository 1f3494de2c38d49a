"""What infra/docker says, parsed: compose.yaml with its defaults put in, and a Dockerfile's instructions."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "infra" / "docker"
DOCKERFILES = ("serving.Dockerfile", "training.Dockerfile")
VARIABLE = re.compile(r"\$\{([A-Z_]+):-([^}]*)\}")
REPLICAS = ("serving-1", "serving-2")
# End by themselves, or are started by hand: nobody waits for them.
RUNS = ("training", "schedule")


@cache
def compose() -> dict[str, Any]:
    """Each ${NAME:-default} is its default; `$$` is a dollar."""
    text = VARIABLE.sub(r"\2", (FOLDER / "compose.yaml").read_text())
    assert "${" not in text, "write ${NAME:-default}"
    document: dict[str, Any] = yaml.safe_load(text.replace("$$", "$"))
    return document


def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = compose()["services"]
    return found


def environment(service: str) -> dict[str, str]:
    return {name: str(value or "") for name, value in services()[service].get("environment", {}).items()}


def interpolated() -> dict[str, str]:
    """Variables that compose.yaml takes from .env, with their defaults."""
    return dict(VARIABLE.findall((FOLDER / "compose.yaml").read_text()))


def instructions(dockerfile: str) -> list[tuple[str, str]]:
    """Names and arguments, in order; continued lines are one."""
    text = (FOLDER / dockerfile).read_text().replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(name, " ".join(rest.split())) for name, _, rest in (line.partition(" ") for line in lines)]


def last(dockerfile: str, name: str) -> str:
    """The argument of the last instruction of that name."""
    return [argument for each, argument in instructions(dockerfile) if each == name][-1]


def exec_form(argument: str) -> list[str]:
    """Words of CMD and the like; fails for the shell's form, in which a shell would get SIGTERM."""
    words: list[str] = json.loads(argument)
    return words
