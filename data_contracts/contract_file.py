"""A contract as data: `{name, expectations}`, from a YAML that people write or from code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

# name: of the suite; expectations: a list of {type, kwargs, severity, meta}.
Contract = Mapping[str, Any]


class ContractFileError(ValueError):
    """A contract is missing, is no YAML, is no suite, or would overwrite another."""


def read_contract(path: Path) -> Contract:
    """The contract in a YAML; whether its expectations exist is found out by who runs them."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ContractFileError(
            f"no data contract at {path} ({error.strerror}): set config.contracts in the YAML"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ContractFileError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict) or set(content) != {"name", "expectations"}:
        found = ", ".join(map(str, content)) if isinstance(content, dict) else type(content).__name__
        raise ContractFileError(f"{path} is no contract: it holds {found}; needed are name, expectations")
    return content
