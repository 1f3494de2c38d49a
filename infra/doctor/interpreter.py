"""Is this the Python that the project was made for?"""

from __future__ import annotations

import importlib.util
import tomllib
from pathlib import Path

from packaging.specifiers import SpecifierSet

from infra.doctor.check import Check, Surroundings, fail, ok, warn

NEW_ENVIRONMENT = "rm -rf .venv && make setup PYTHON=python3.12"
# A package of many modules, which every command imports.
PROBED = "zenml"


def python_version(surroundings: Surroundings) -> Check:
    """Against `requires-python` of pyproject.toml."""
    project = tomllib.loads((surroundings.root / "pyproject.toml").read_text())["project"]
    allowed = SpecifierSet(project["requires-python"])
    if allowed.contains(surroundings.python):
        return ok("python_version", surroundings.python)
    found = f"{surroundings.python}, where {project['requires-python']} is needed"
    return fail("python_version", found, f"install Python 3.11 or 3.12, then: {NEW_ENVIRONMENT}")


def virtual_environment(surroundings: Surroundings) -> Check:
    """A command of another environment finds other packages, and telemetry on."""
    expected = surroundings.root / ".venv"
    if surroundings.prefix.resolve() == expected.resolve():
        return ok("virtual_environment", str(expected))
    fix = f". {expected}/bin/activate" if expected.is_dir() else "make setup"
    return warn("virtual_environment", f"{surroundings.prefix} is not the project's {expected}", fix)


def bytecode(surroundings: Surroundings) -> Check:
    """Without .pyc files `zenml --version` takes 3.2 to 4.1 s instead of 2.1, a cached run 12, not 7."""
    forbidden = bool(surroundings.environment.get("PYTHONDONTWRITEBYTECODE"))
    if _is_compiled(PROBED):
        return ok("bytecode", "packages are compiled")
    fix = f"{surroundings.prefix}/bin/python -m compileall -q -j 0 {surroundings.prefix}/lib"
    if forbidden:
        found = "PYTHONDONTWRITEBYTECODE is set and packages are not compiled: each command starts 2 s later"
        return warn("bytecode", found, f"unset PYTHONDONTWRITEBYTECODE; {fix}")
    return warn("bytecode", "packages are not compiled: the first commands start late", fix)


def _is_compiled(package: str) -> bool:
    """True too where the package is missing: another check says so."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return True
    return Path(importlib.util.cache_from_source(spec.origin)).is_file()
