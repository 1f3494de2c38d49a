"""Stack files and the snippets of settings, as their tests read them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from infra.stacks.stack_file import StackFile, read_stack

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "infra" / "stacks"
STACKS = sorted(FOLDER.glob("*.yaml"))
# What the files ask the environment for.
ENVIRONMENT = {
    "SIGHTLINE_CONTEXT": "cluster",
    "SIGHTLINE_BUCKET": "roses",
    "SIGHTLINE_REGISTRY": "registry.example",
    "SIGHTLINE_S3_ENDPOINT": "https://s3.example:9000",
}


def stack_of(name: str) -> StackFile:
    return read_stack(FOLDER / f"{name}.yaml", ENVIRONMENT)


def settings_of(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((FOLDER / "settings" / f"{name}.yaml").read_text())
    return found
