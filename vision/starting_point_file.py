"""A starting point as the YAML of a run: each value with its reason above it, as PyYAML cannot write it."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping
from typing import Any

import yaml

from vision.config import Config
from vision.recipes import RECIPES
from vision.starting_point import StartingPoint

PARAGRAPHS = ("data", "augment", "promote")  # sections that begin one in the YAML
# The local orchestrator ignores resources; one with GPUs honours them.
STEPS = """steps:
  tune: {settings: {resources: {gpu_count: 1}}}
  train: {settings: {resources: {gpu_count: 1}}}
"""


def write_starting_point(point: StartingPoint) -> str:
    """The YAML of a run, in the shape of zenml_config.yaml, with each reason above its value."""
    config = point.config
    header = [
        *_comment(f"{config.name}: {point.summary}.", ""),
        *_comment(
            "Suggested by `sightline init` from what the images look like: change what you know better.", ""
        ),
        *_comment(point.advice, ""),
        f"# Run: make train CONFIG=configs/{config.name}.yaml",
    ]
    lines = [*header, "", "parameters:", "  config:"]
    for key, value in _chosen(config, point.reasons).items():
        if key in PARAGRAPHS:
            lines.append("")
        if isinstance(value, dict):
            lines.append(f"    {key}:")
            for name, inner in value.items():
                reason = point.reasons.get(f"{key}.{name}", "")
                lines += [*_comment(reason, " " * 6), f"      {name}: {_flow(inner)}"]
        else:
            lines.append(f"    {key}: {_flow(value)}")
    return "\n".join([*lines, "", STEPS])


def _chosen(config: Config, reasons: Mapping[str, str]) -> dict[str, Any]:
    """The values that are set, without those that the recipe would set as well and that have no reason."""
    tree = config.model_dump(mode="json", exclude_unset=True)
    recipe = RECIPES[config.train.recipe].settings if config.train.recipe else {}
    tree["train"] = {
        key: value
        for key, value in tree["train"].items()
        if key not in recipe or value != recipe[key] or f"train.{key}" in reasons
    }
    return tree


def _comment(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, 100, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ")


def _flow(value: object) -> str:
    """YAML on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, sort_keys=False, width=math.inf)
    return str(text).removesuffix("...\n").rstrip("\n")
