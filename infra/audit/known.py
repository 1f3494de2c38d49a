"""Known vulnerabilities, whoever found them, and those that are allowed for a while."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from packaging.utils import canonicalize_name
from pydantic import BaseModel, ConfigDict, Field

from infra.audit.verdict import Verdict, unused


class AllowedVulnerability(BaseModel):
    """Why a known vulnerability is borne with, and the last day on which that holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    package: str
    reason: str = Field(min_length=20)
    until: date


@dataclass(frozen=True)
class Vulnerability:
    """`names` are its id and aliases, `mended` the versions that do not have it."""

    package: str
    version: str
    names: tuple[str, ...]
    mended: tuple[str, ...]

    def __str__(self) -> str:
        mended = ", ".join(self.mended) or "no version yet"
        return f"{self.package} {self.version}: {', '.join(self.names)}, mended in {mended}"


@dataclass(frozen=True)
class Rules:
    """The allow list by id or alias, the file that it was read from, and the day that counts."""

    allowed: Mapping[str, AllowedVulnerability]
    where: str
    today: date


def judge_found(
    part: str,
    summary: str,
    found: Sequence[Vulnerability],
    rules: Rules,
    *,
    not_looked_up: Sequence[str] = (),
) -> Verdict:
    """Each must be allowed for its package, and its day not past. An entry that allows nothing fails too.

    `not_looked_up` are problems of what was not judged; with one, nothing is said of entries without use.
    """
    problems, noted, used = [*not_looked_up], [], []
    for one in found:
        entry = _entry(one, rules.allowed)
        if entry is None:
            problems.append(f"{one}; bump it, or allow it with a reason in {rules.where}")
            continue
        used.append(entry)
        until, reason = rules.allowed[entry].until, rules.allowed[entry].reason
        if until < rules.today:
            problems.append(f"{one}; was allowed until {until}: think it over in {rules.where}")
        else:
            noted.append(f"{one}; allowed until {until}: {reason}")
    if not not_looked_up:
        problems += unused("vulnerability", rules.allowed, used, rules.where)
    return Verdict(part, summary, tuple(problems), tuple(noted))


def _entry(one: Vulnerability, allowed: Mapping[str, AllowedVulnerability]) -> str | None:
    """The name under which it is allowed for its package."""
    for name in one.names:
        if name in allowed and canonicalize_name(allowed[name].package) == canonicalize_name(one.package):
            return name
    return None
