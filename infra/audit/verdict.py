"""What one part of the audit found: a value, so that a test can make one and the command can print it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Verdict:
    """`problems` fail the audit, a line each; `noted` is allowed or for information."""

    part: str
    summary: str
    problems: tuple[str, ...] = ()
    noted: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return not self.problems


def unused(kind: str, entries: Iterable[str], used: Iterable[str], where: str) -> list[str]:
    """A line for each entry of an allow list that allows nothing any more."""
    return [f"{kind} {entry} is allowed and was not found: remove it from {where}" for entry in sorted(
        set(entries) - set(used)
    )]  # fmt: skip
