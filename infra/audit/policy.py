"""What the audit lets pass, with reasons: policy.yaml beside this file."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from infra.audit.known import AllowedVulnerability
from infra.audit.licences import LicencePolicy
from vision.errors import ConfigError

POLICY = Path(__file__).with_name("policy.yaml")


class Policy(BaseModel):
    """Vulnerabilities go by id or alias: those of Python packages, and those of Go modules."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    vulnerabilities: dict[str, AllowedVulnerability]
    go_vulnerabilities: dict[str, AllowedVulnerability]
    licences: LicencePolicy


def read_policy(path: Path = POLICY) -> Policy:
    """ConfigError, naming the entry, for one without a package, a reason or a day."""
    try:
        return Policy.model_validate(yaml.safe_load(path.read_text()))
    except (ValidationError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} is no policy: {error}") from error
