"""A stack as a file, in the form of `zenml stack export`, with ${NAME} for what is the environment's.

ZenML's own `zenml stack import` reads the same form and asks at the keyboard for another name where one is
taken; `register.py` brings what is there to what the file says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Template
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from zenml.enums import StackComponentType

from vision.errors import ConfigError


class Component(BaseModel):
    """One component; its type is its key in the file. `configuration` is of the flavor's own schema."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    flavor: str = Field(min_length=1)
    type: StackComponentType | None = Field(None, description="written by `zenml stack export`, not read")
    configuration: dict[str, Any] = {}


def _as_list(value: object) -> object:
    return value if isinstance(value, list) else [value]


class StackFile(BaseModel):
    """A stack needs an orchestrator and an artifact store, as every stack of ZenML does."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stack_name: str = Field(min_length=1)
    zenml_version: str
    components: dict[StackComponentType, Annotated[tuple[Component, ...], BeforeValidator(_as_list)]]

    def all_components(self) -> Iterator[tuple[StackComponentType, Component]]:
        for kind, components in self.components.items():
            for component in components:
                yield kind, component


def read_stack(path: Path, environment: Mapping[str, str]) -> StackFile:
    """The file with each ${NAME} filled in; ConfigError that names all that is wrong with it."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error}); name a stack file") from error
    try:
        stack = StackFile.model_validate(yaml.safe_load(_filled_in(path, text, environment)))
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: is not YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        raise ConfigError("\n".join(f"{path}: {line}" for line in _lines(error))) from error
    lacking = {StackComponentType.ORCHESTRATOR, StackComponentType.ARTIFACT_STORE} - set(stack.components)
    if lacking:
        raise ConfigError(f"{path}: components: has no {', '.join(sorted(lacking))}; a stack needs both")
    return stack


def _filled_in(path: Path, text: str, environment: Mapping[str, str]) -> str:
    template = Template(text)
    missing = [name for name in template.get_identifiers() if not environment.get(name)]
    if missing:
        raise ConfigError(f"{path}: set {', '.join(missing)} in the environment: the file asks for them")
    try:
        return template.substitute(environment)
    except ValueError as error:
        raise ConfigError(f"{path}: {error}: allowed is ${{NAME}}, and $$ for a dollar sign") from error


def _lines(error: ValidationError) -> Iterator[str]:
    for problem in error.errors(include_url=False):
        where = ".".join(str(part) for part in problem["loc"]) or "the file"
        yield f"{where}: {problem['msg']}, received {str(problem['input'])[:60]!r}"
