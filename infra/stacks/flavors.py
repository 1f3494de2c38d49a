"""What ZenML says of a component without being connected to anything: its flavor, schema and packages."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from packaging.requirements import Requirement
from zenml.enums import StackComponentType
from zenml.integrations.integration import Integration
from zenml.integrations.registry import integration_registry
from zenml.stack import Flavor, StackComponentConfig
from zenml.stack.flavor_registry import FlavorRegistry
from zenml.utils.package_utils import requirement_installed
from zenml.utils.secret_utils import is_secret_reference, parse_secret_reference

from infra.stacks.stack_file import Component
from vision.errors import ConfigError, one_of

# A field of ZenML's AuthenticationConfigMixin that names a whole secret.
WHOLE_SECRET = "authentication_secret"


@dataclass(frozen=True, eq=False)
class KnownFlavor:
    """A flavor and the integration that brings it, None for those of ZenML itself."""

    flavor: Flavor
    integration: type[Integration] | None = None


def missing_of(integration: type[Integration]) -> tuple[str, ...]:
    """Its requirements that the running Python does not have."""
    needed = integration.get_requirements()
    return tuple(each for each in needed if not requirement_installed(Requirement(each)))


def find_flavor(kind: StackComponentType, component: Component) -> KnownFlavor:
    """ConfigError, with those that there are, for a flavor that ZenML does not have for that type."""
    known = {found.flavor.name: found for found in _all_flavors() if found.flavor.type == kind}
    if component.flavor not in known:
        where = f"components.{kind.value}.flavor in the stack file"
        raise ConfigError(one_of(f"flavor of {kind.value}", component.flavor, known, where))
    return known[component.flavor]


def check_configuration(kind: StackComponentType, component: Component) -> StackComponentConfig:
    """The configuration as the flavor reads it; ConfigError for a key or value that it does not take."""
    known = find_flavor(kind, component)
    schema = known.flavor.config_class
    where = f"{kind.value} {component.name} ({component.flavor})"
    unknown = set(component.configuration) - set(schema.model_fields)
    if unknown:
        allowed = ", ".join(sorted(schema.model_fields))
        raise ConfigError(f"{where}: unknown {', '.join(sorted(unknown))}; allowed are {allowed}")
    try:
        return schema(**component.configuration)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from error
    except ImportError as error:  # Kubeflow's reads no configuration without the package kubernetes
        name = known.integration.NAME if known.integration else component.flavor
        raise ConfigError(f"{where}: {error}: `zenml integration install {name}`") from error


def secrets_of(component: Component) -> dict[str, set[str]]:
    """The secrets that it refers to, and which of their keys; no key where it takes the whole secret."""
    wanted: dict[str, set[str]] = {}
    for key, value in component.configuration.items():
        if key == WHOLE_SECRET:
            wanted.setdefault(value, set())
        elif is_secret_reference(value):
            reference = parse_secret_reference(value)
            wanted.setdefault(reference.name, set()).add(reference.key)
    return wanted


@cache
def _all_flavors() -> tuple[KnownFlavor, ...]:
    """They are asked for once a component, and a hundred modules define them."""
    own = [KnownFlavor(flavor()) for flavor in FlavorRegistry().builtin_flavors]
    integrations = integration_registry.integrations.values()
    return (*own, *(KnownFlavor(flavor(), each) for each in integrations for flavor in each.flavors()))
