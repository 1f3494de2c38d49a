"""The licences that the locked packages declare, by pip-licenses, and whether they may be used here.

What a package declares is all that is known: libraries inside its binaries may have licences of their own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from pydantic import BaseModel, ConfigDict, Field

from infra.audit.requirements import differences
from infra.audit.tools import run_tool
from infra.audit.verdict import Verdict, unused

PART = "licences"
UNKNOWN = "UNKNOWN"  # pip-licenses' word
# An SPDX expression is exact, a classifier one of a list, the old free text anything.
SOURCES = ("License-Expression", "License-Classifier", "License-Metadata")


class AllowedLicence(BaseModel):
    """Why a package may be used under a licence that is not allowed to all; `declared` is what it says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    declared: str
    reason: str = Field(min_length=20)


class LicencePolicy(BaseModel):
    """`allowed` are SPDX identifiers, `written_as` those of other names, `packages` exceptions by name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    allowed: frozenset[str]
    written_as: dict[str, str] = {}
    packages: dict[str, AllowedLicence] = {}

    def allows(self, declared: str) -> bool:
        """Whether one may use it: of licences joined by OR one must be allowed, else every one."""
        return all(self._allows_one(name.strip()) for name in declared.split(";"))

    def _allows_one(self, name: str) -> bool:
        from license_expression import ExpressionError

        try:
            parsed = _spdx().parse(self.written_as.get(name, name))
        except ExpressionError:
            return False
        return parsed is not None and self._holds(parsed)

    def _holds(self, expression: Any) -> bool:
        if not expression.args:
            return str(expression) in self.allowed
        join = any if expression.operator.strip() == "OR" else all
        return join(map(self._holds, expression.args))


@cache
def _spdx() -> Any:
    """The list of SPDX's licences, a second to read."""
    from license_expression import get_spdx_licensing

    return get_spdx_licensing()


def list_licences(python: Path, *options: str) -> str:
    """pip-licenses' list of what is installed beside that Python; its own form unless options say another."""
    return run_tool("pip-licenses", "--python", str(python), "--with-system", *options)


def judge_licences(text: str, lock: Mapping[str, str], policy: LicencePolicy, *, where: str) -> Verdict:
    """Each package of the lock must declare a licence that is allowed to all, or to it.

    `text` is pip-licenses' JSON with every source, `where` the file of the policy. An exception that is not
    needed any more fails too.
    """
    rows = [row for row in json.loads(text) if canonicalize_name(row["Name"]) in lock]
    problems = differences(lock, {canonicalize_name(row["Name"]): row["Version"] for row in rows})
    noted, used = [], []
    for row in rows:
        name, declared = canonicalize_name(row["Name"]), declared_licence(row)
        exception = policy.packages.get(name)
        if policy.allows(declared):
            continue
        if exception is None or exception.declared != declared:
            problems.append(f"{name}: {declared} is not allowed; see to it, or give a reason in {where}")
        else:
            noted.append(f"{name}: {declared}: {exception.reason}")
        if exception is not None:
            used.append(name)
    problems += unused("licence of", policy.packages, used, where)
    kinds = len({declared_licence(row) for row in rows})
    return Verdict(
        PART, f"{len(rows)} packages, {kinds} ways to name a licence", tuple(problems), tuple(noted)
    )


def declared_licence(row: Mapping[str, str]) -> str:
    """The most exact that the package says, of a whole text the first line."""
    for source in SOURCES:
        if row[source].strip() not in ("", UNKNOWN):
            return row[source].strip().splitlines()[0]
    return UNKNOWN
