"""What a check answers, and what it looks at: both are values, so that a test can make a world of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]

Status = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Check:
    """`found` says what is there, `fix` what to do about it: "" where nothing is to be done."""

    name: str
    status: Status
    found: str
    fix: str = ""


@dataclass(frozen=True)
class Package:
    """An installed distribution; `requires` as its metadata have it, one requirement a line."""

    version: str
    requires: tuple[str, ...] = ()


@dataclass(frozen=True)
class Surroundings:
    """The repository, the machine and the process that are examined. Packages go by canonical name."""

    root: Path
    workspace: Path
    environment: Mapping[str, str]
    packages: Mapping[str, Package]
    python: str = ".".join(map(str, sys.version_info[:3]))
    prefix: Path = Path(sys.prefix)
    system: Path = Path("/")

    @classmethod
    def of_this_process(cls) -> Surroundings:
        home = os.environ.get("SIGHTLINE_HOME") or "workspace"
        return cls(ROOT, Path(home).resolve(), dict(os.environ), installed_packages())

    @property
    def existing(self) -> Path:
        """The workspace, or where it does not exist yet the folder in which it would be made."""
        return next(path for path in (self.workspace, *self.workspace.parents) if path.exists())


def installed_packages() -> dict[str, Package]:
    """Every distribution of this Python, 0.2 s for 250; of two of one name the one that is imported."""
    packages: dict[str, Package] = {}
    for distribution in metadata.distributions():
        # One that was removed by hand can leave metadata without a name.
        name = canonicalize_name(distribution.metadata["Name"] or "")
        packages.setdefault(name, Package(distribution.version, tuple(distribution.requires or ())))
    return packages


def ok(name: str, found: str) -> Check:
    return Check(name, "ok", found)


def warn(name: str, found: str, fix: str) -> Check:
    return Check(name, "warn", found, fix)


def fail(name: str, found: str, fix: str) -> Check:
    return Check(name, "fail", found, fix)


def gigabytes(size_bytes: float) -> str:
    return f"{size_bytes / 1e9:.1f} GB"


def listed(names: list[str], most: int = 4) -> str:
    """The first few of a list, and how many more there are."""
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest
