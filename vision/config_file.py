"""A ZenML run file as a Config, with each mistake in one line of words.

ZenML ignores top-level keys that it does not know, so `parameter:` for `parameters:` would train with the
defaults: here it is an error.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from vision.config import Config
from vision.errors import ConfigError

# Fields of zenml.config.pipeline_run_configuration.PipelineRunConfiguration (0.98), which the domain must
# not import; tests/house/test_zenml_keys.py compares them.
ZENML_KEYS = (
    "run_name",
    "enable_cache",
    "enable_artifact_metadata",
    "enable_artifact_visualization",
    "enable_step_logs",
    "enable_pipeline_logs",
    "enable_heartbeat",
    "schedule",
    "build",
    "steps",
    "settings",
    "environment",
    "secrets",
    "tags",
    "extra",
    "model",
    "parameters",
    "retry",
    "init_hook_source",
    "init_hook_kwargs",
    "cleanup_hook_source",
    "failure_hook_source",
    "success_hook_source",
    "start_hook_source",
    "end_hook_source",
    "pause_hook_source",
    "resume_hook_source",
    "substitutions",
    "cache_policy",
    "execution_mode",
)
LONGEST_VALUE = 60


def load_config(path: Path) -> Config:
    """The `parameters.config` tree of the file; ConfigError with one line for each mistake."""
    document = _read(path)
    problems = [_unknown(key, key, ZENML_KEYS) for key in document if key not in ZENML_KEYS]
    parameters = document.get("parameters")
    if not isinstance(parameters, dict) or not isinstance(parameters.get("config"), dict):
        problems.append("parameters: has no section config, the tree that a run is told")
        raise ConfigError(_lines(path, problems))
    try:
        config = Config.model_validate(parameters["config"])
    except ValidationError as error:
        problems += [_in_words(dict(detail)) for detail in error.errors(include_url=False)]
    if problems:
        raise ConfigError(_lines(path, problems))
    return config


class _Loader(yaml.SafeLoader):
    """YAML in which a key that stands twice is an error; PyYAML would take the last, unsaid."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [key.value for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1 and key != "<<":
                raise yaml.MarkedYAMLError(problem=f'"{key}" stands twice', problem_mark=node.start_mark)
        return super().construct_mapping(node, deep)


def _read(path: Path) -> dict[str, Any]:
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be read ({error.strerror}); name a file with --config FILE"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: holds no keys; it must have parameters: config: ...")
    return document


def _in_words(detail: dict[str, Any]) -> str:
    where = _dotted(detail["loc"])
    if detail["type"] == "extra_forbidden":
        section = _section(detail["loc"][:-1])
        return _unknown(where, str(detail["loc"][-1]), section.model_fields if section else ())
    if detail["type"] == "value_error":  # our own validators: their message is whole
        return f"{where}: {detail['ctx']['error']}"
    section = _section(detail["loc"])
    received = _shown(detail["input"])
    if detail["type"] in ("model_type", "model_attributes_type") and section:
        return f"{where}: received {received}, allowed is a section of {_listed(section.model_fields)}"
    message = str(detail["msg"])
    if detail["type"] == "missing":
        return f"{where}: is missing"
    return f"{where}: received {received}: {message[0].lower()}{message[1:]}"


def _unknown(where: str, key: object, allowed: Iterable[str]) -> str:
    choices = list(allowed)
    near = difflib.get_close_matches(str(key), choices, n=1)
    hint = f'; did you mean "{near[0]}"' if near else ""
    return f"{where}: unknown key{hint}; allowed are {_listed(choices)}"


def _section(location: Iterable[int | str]) -> type[BaseModel] | None:
    """The schema of a section, found by its place in the tree."""
    section: Any = Config
    for name in location:
        field = section.model_fields.get(name)
        section = field.annotation if field else None
        if not (isinstance(section, type) and issubclass(section, BaseModel)):
            return None
    return section  # type: ignore[no-any-return]


def _dotted(location: Iterable[int | str]) -> str:
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return "config" + "".join(parts)


def _shown(value: object) -> str:
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 3] + "..."


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def _lines(path: Path, problems: Iterable[str]) -> str:
    return "\n".join(f"{path}: {problem}" for problem in problems)
