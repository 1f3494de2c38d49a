"""The packages that requirements.lock installs here, and what is installed beside them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from vision.errors import ConfigError


def read_lock(path: Path) -> dict[str, str]:
    """Version by canonical name, of the rows whose marker holds for this Python and system.

    ConfigError where the file holds none, or a row without one exact version.
    """
    lines = [line for line in path.read_text().splitlines() if line[:1].isalnum()]
    rows = [Requirement(line.removesuffix("\\").rstrip()) for line in lines]
    here = [row for row in rows if row.marker is None or row.marker.evaluate()]
    if not here:
        raise ConfigError(f"{path} holds no package for this Python and system: run `make lock`")
    return {canonicalize_name(row.name): _exact(path, row) for row in here}


def _exact(path: Path, row: Requirement) -> str:
    specifiers = [*row.specifier]
    if len(specifiers) != 1 or specifiers[0].operator != "==":
        raise ConfigError(f"{path}: {row} is not one exact version: run `make lock`")
    return str(specifiers[0].version)


def differences(lock: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    """A line for each package of the lock that `found` (version by name) lacks, or has otherwise."""
    return [
        f"{name} {version} of the lock: {'not found' if name not in found else 'found ' + found[name]}"
        for name, version in sorted(lock.items())
        if found.get(name) != version
    ]
