"""Pages that are made of the code: the command's, the configuration's, and the API's description."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

HTTP = """# HTTP API

What the service itself says at `/openapi.json`; [serving](../serving.md) tells it in words, with examples,
and has the frames of `/v1/live`, which OpenAPI cannot describe. A client for Python is
[`serving.client`](python.md).
"""

SETTINGS = """# Settings of the service

Variables of the environment, checked when the service starts: one that is out of range stops it, with all
that is wrong in one message.
"""


def command_page() -> str:
    """`sightline` and its verbs, in Markdown."""
    import typer
    from typer.cli import get_docs_for_click

    from cli.main import app

    command = typer.main.get_command(app)
    context = typer.Context(command, info_name="sightline")
    return get_docs_for_click(obj=command, ctx=context, name="sightline", title="Command line")


def http_page() -> str:
    """The service's OpenAPI description, in Markdown."""
    from openapidocs.mk.v3 import OpenAPIV3DocumentationHandler

    from serving.api import app

    handler = OpenAPIV3DocumentationHandler(app.openapi(), style="MKDOCS")
    _, _, described = str(handler.write()).partition("\n# ")
    return HTTP + described.partition("\n")[2]


def configuration_page() -> str:
    """Every key of `config`, its type, default and meaning, a table a section."""
    from vision.config import Config

    schema = Config.model_json_schema()
    lines = [
        "# Configuration",
        "",
        "Every key of the `config` tree of `zenml_config.yaml`, made of the schema that the file is checked",
        "against. An unknown key is an error. Where no default stands, the default depends on other keys.",
    ]
    plain = {}
    for key, described in schema["properties"].items():
        section = _section(described, schema["$defs"])
        if section is None:
            plain[key] = described
        else:
            lines += ["", f"## {key}", "", *_text(section), *_table(section["properties"], schema["$defs"])]
    return "\n".join([*lines, "", "## The rest", "", *_table(plain, schema["$defs"]), ""])


def settings_page() -> str:
    """Every variable of the service, its type, default and meaning."""
    from serving.settings import PREFIX, Settings

    schema = Settings.model_json_schema()
    variables = {PREFIX + name.upper(): described for name, described in schema["properties"].items()}
    return "\n".join([SETTINGS, *_table(variables, schema.get("$defs", {})), ""])


def _text(section: Mapping[str, Any]) -> list[str]:
    return [section["description"], ""] if "description" in section else []


def _table(properties: Mapping[str, Any], definitions: Mapping[str, Any]) -> list[str]:
    rows = [
        f"| `{name}` | {_kind(described, definitions)} | {_default(described)} | {_meaning(described)} |"
        for name, described in _flat(properties, definitions)
    ]
    return ["| key | type | default | meaning |", "|---|---|---|---|", *rows]


def _flat(
    properties: Mapping[str, Any], definitions: Mapping[str, Any]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The keys, those of a section inside as `section.key`."""
    for name, described in properties.items():
        section = _section(described, definitions)
        if section is None:
            yield name, described
        else:
            for inner, more in _flat(section["properties"], definitions):
                yield f"{name}.{inner}", more


def _section(described: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The section that a key is, or None of a plain value."""
    place = described.get("$ref", "").rpartition("/")[2]
    found: Mapping[str, Any] = definitions.get(place, {})
    return found if "properties" in found else None


def _kind(described: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    if "$ref" in described:
        return _kind(definitions[described["$ref"].rpartition("/")[2]], definitions)
    if "anyOf" in described:
        return " or ".join(dict.fromkeys(_kind(one, definitions) for one in described["anyOf"]))
    if "enum" in described or "const" in described:
        return ", ".join(f"`{value}`" for value in described.get("enum", [described.get("const")]))
    if described.get("type") == "array":
        items = described.get("items") or {}
        return f"list of {_kind(items, definitions)}" if items else "list"
    return f"{described.get('type', 'any')}{_range(described)}"


def _range(described: Mapping[str, Any]) -> str:
    words = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    limits = [f"{sign} {described[key]}" for key, sign in words.items() if key in described]
    return f" {', '.join(limits)}" if limits else ""


def _default(described: Mapping[str, Any]) -> str:
    return f"`{json.dumps(described['default'])}`".replace("|", "\\|") if "default" in described else ""


def _meaning(described: Mapping[str, Any]) -> str:
    return " ".join(described.get("description", "").split()).replace("|", "\\|")


GENERATED: dict[str, Callable[[], str]] = {
    "api/command.md": command_page,
    "api/configuration.md": configuration_page,
    "api/http.md": http_page,
    "api/settings.md": settings_page,
}
