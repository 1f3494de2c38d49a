"""Brings ZenML to what a stack file says: components and stack are made, changed, or left as they were.

    python -m infra.stacks.register infra/stacks/kubernetes.yaml [--dry-run]

Everything is checked before anything is written: keys and values by the flavors' own schemas, secrets that
are referred to. Packages that runs on the stack need are named. A dry run asks no ZenML server.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from infra.stacks.flavors import check_configuration, find_flavor, missing_of, secrets_of
from infra.stacks.stack_file import Component, StackFile, read_stack
from vision.errors import ConfigError, SightlineError

if TYPE_CHECKING:
    from uuid import UUID

    from zenml.client import Client
    from zenml.enums import StackComponentType

Change = Literal["made", "changed", "as it was"]


def register_stack(client: Client, stack: StackFile) -> dict[str, Change]:
    """What became of each component and of the stack, by "TYPE NAME"; ConfigError before anything is done."""
    configurations = [
        check_configuration(kind, component).model_dump(mode="json", exclude_unset=True)
        for kind, component in stack.all_components()
    ]
    if problems := [*secret_problems(client, stack), *flavor_problems(client, stack)]:
        raise ConfigError("\n".join(problems))
    done: dict[str, Change] = {}
    ids: dict[StackComponentType, list[UUID]] = {}
    for (kind, component), wanted in zip(stack.all_components(), configurations, strict=True):
        number, change = _bring_component(client, kind, component, wanted)
        done[f"{kind.value} {component.name}"] = change
        ids.setdefault(kind, []).append(number)
    done[f"stack {stack.stack_name}"] = _bring_stack(client, stack.stack_name, ids)
    return done


def missing_packages(stack: StackFile) -> Iterator[str]:
    """A line for each integration that lacks packages here: a stack is registered without them, not run."""
    found = {find_flavor(kind, component) for kind, component in stack.all_components()}
    for integration in sorted({known.integration for known in found if known.integration}, key=str):
        if missing := missing_of(integration):
            yield f"to run on it, `zenml integration install {integration.NAME}`: {', '.join(missing)}"


def secret_problems(client: Client, stack: StackFile) -> Iterator[str]:
    """A line for each secret that a component refers to and that ZenML does not have, or not that key of."""
    for kind, component in stack.all_components():
        for name, keys in secrets_of(component).items():
            found = client.list_secrets(name=name).items
            there = client.get_secret(found[0].id).values if found else {}
            missing = sorted(keys - set(there))
            if not found or missing:
                values = " ".join(f"--{key}=..." for key in missing) or "--KEY=VALUE ..."
                verb = "update" if found else "create"
                yield f"{kind.value} {component.name}: `zenml secret {verb} {name} {values}` first"


def flavor_problems(client: Client, stack: StackFile) -> Iterator[str]:
    """A line for each component that is there with another flavor, which no update changes."""
    for kind, component in stack.all_components():
        for there in client.list_stack_components(name=component.name, type=kind).items:
            if there.flavor_name != component.flavor:
                yield (
                    f"{kind.value} {component.name} is there as {there.flavor_name}, not {component.flavor}:"
                    f" `zenml {kind.value.replace('_', '-')} delete {component.name}`, or another name"
                )


def _bring_component(
    client: Client, kind: StackComponentType, component: Component, wanted: dict[str, Any]
) -> tuple[UUID, Change]:
    found = client.list_stack_components(name=component.name, type=kind, hydrate=True).items
    if not found:
        made = client.create_stack_component(component.name, component.flavor, kind, wanted)
        return made.id, "made"
    if found[0].configuration == wanted:
        return found[0].id, "as it was"
    gone = dict.fromkeys(set(found[0].configuration) - set(wanted))  # None takes a key away
    client.update_stack_component(found[0].id, kind, configuration=gone | wanted)
    return found[0].id, "changed"


def _bring_stack(client: Client, name: str, wanted: dict[StackComponentType, list[UUID]]) -> Change:
    found = client.list_stacks(name=name, hydrate=True).items
    if not found:
        client.create_stack(name, wanted)
        return "made"
    there = {kind: [component.id for component in each] for kind, each in found[0].components.items()}
    if there == wanted:
        return "as it was"
    client.update_stack(found[0].id, component_updates={kind: [] for kind in there} | wanted)
    return "changed"


def show(stack: StackFile) -> Iterator[str]:
    """The stack in words; ConfigError for a wrong key or value."""
    for kind, component in stack.all_components():
        check_configuration(kind, component)
        yield f"{kind.value} {component.name}: {component.flavor} {component.configuration}"
        for name, keys in secrets_of(component).items():
            yield f"  asks for the secret {name}" + (f": {', '.join(sorted(keys))}" if keys else "")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m infra.stacks.register",
        description="Registers a ZenML stack, or brings it up to date.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="a stack: infra/stacks/*.yaml")
    parser.add_argument("--dry-run", action="store_true", help="check and show it, write nothing")
    options = parser.parse_args(arguments)
    try:
        stack = read_stack(options.file, os.environ)
        lines = [*(show(stack) if options.dry_run else _registered(stack)), *missing_packages(stack)]
    except SightlineError as error:
        print(f"stacks: {error}", file=sys.stderr)  # noqa: T201 - a command
        return 1
    print("\n".join(lines))  # noqa: T201
    return 0


def _registered(stack: StackFile) -> list[str]:
    from zenml.client import Client

    return [f"{name}: {change}" for name, change in register_stack(Client(), stack).items()]


if __name__ == "__main__":
    sys.exit(main())
