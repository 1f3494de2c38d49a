"""Are the packages those of requirements.lock, and do they go together?"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from infra.doctor.check import Check, Surroundings, fail, listed, ok, warn

# `uv pip sync` also removes what the lock does not have.
SYNCHRONISE = "rm -f .venv/.ready && make setup"
# What spoils this environment -> how, and whose files it writes over.
UNWANTED = {
    "kfp": ("asks for an older protobuf than TensorFlow", ""),
    "opencv-python": ("needs libGL", "opencv-python-headless"),
    "opencv-contrib-python": ("needs libGL", "opencv-python-headless"),
    "tensorflow-cpu": ("has no GPU", "tensorflow"),
    "openvino-telemetry": ("lets OpenVINO's converter call home", ""),
}


def lock_file(surroundings: Surroundings) -> Check:
    """Does requirements.lock have what pyproject.toml asks for?"""
    project = tomllib.loads((surroundings.root / "pyproject.toml").read_text())["project"]
    locked = _locked_versions(surroundings)
    asked = [
        requirement for requirement in map(Requirement, project["dependencies"]) if _applies(requirement)
    ]
    stale = [str(requirement) for requirement in asked if not _is_met(requirement, locked)]
    if stale:
        return fail("lock_file", f"requirements.lock lacks {listed(stale)} of pyproject.toml", "make lock")
    return ok("lock_file", f"{len(locked)} packages, as pyproject.toml asks")


def locked_packages(surroundings: Surroundings) -> Check:
    """Is each package of the lock installed, at its version?"""
    locked, installed = _locked_versions(surroundings), surroundings.packages
    missing = [name for name in locked if name not in installed]
    others = [
        f"{name} {installed[name].version} instead of {version}"
        for name, version in locked.items()
        if name in installed and installed[name].version != version
    ]
    if missing or others:
        return fail(
            "locked_packages", listed([*(f"{name} is missing" for name in missing), *others]), SYNCHRONISE
        )
    return ok("locked_packages", f"{len(locked)} installed as in requirements.lock")


def conflicts(surroundings: Surroundings) -> Check:
    """What `pip check` calls a conflict; missing ones are none, as the lock leaves some out on purpose."""
    found = sorted(_conflicts(surroundings))
    if found:
        return warn("conflicts", listed(found), f"uninstall what is not in the lock: {SYNCHRONISE}")
    return ok("conflicts", f"{len(surroundings.packages)} packages go together")


def unwanted_packages(surroundings: Surroundings) -> Check:
    """Packages that are known to spoil others."""
    present = [name for name in UNWANTED if name in surroundings.packages]
    if not present:
        return ok("unwanted_packages", "none")
    found = "; ".join(f"{name} {UNWANTED[name][0]}" for name in present)
    spoiled = sorted({UNWANTED[name][1] for name in present} - {""})
    fix = f".venv/bin/uv pip uninstall {' '.join(present)}"
    if spoiled:  # they lie in one folder: the removal takes files of the other with it
        again = " ".join(f"--reinstall-package {name}" for name in spoiled)
        fix += f" && .venv/bin/uv pip install {again} -r requirements.lock"
    return warn("unwanted_packages", found, fix)


def _conflicts(surroundings: Surroundings) -> Iterator[str]:
    installed = {name: package.version for name, package in surroundings.packages.items()}
    for name, package in surroundings.packages.items():
        for requirement in map(Requirement, package.requires):
            version = installed.get(canonicalize_name(requirement.name))
            if version and not _is_met(requirement, installed) and _applies(requirement):
                yield f"{name} needs {requirement.name}{requirement.specifier}, here is {version}"


def _locked_versions(surroundings: Surroundings) -> dict[str, str]:
    """Name -> version, of the lines of requirements.lock that speak of this Python and system."""
    versions: dict[str, str] = {}
    for line in (surroundings.root / "requirements.lock").read_text().splitlines():
        if "==" not in line or line.startswith((" ", "#")):
            continue
        requirement = Requirement(line.removesuffix("\\").strip())
        if _applies(requirement):
            versions[canonicalize_name(requirement.name)] = next(iter(requirement.specifier)).version
    return versions


def _applies(requirement: Requirement) -> bool:
    """On this Python and system, no extra asked for."""
    return requirement.marker is None or requirement.marker.evaluate({"extra": ""})


def _is_met(requirement: Requirement, versions: Mapping[str, str]) -> bool:
    version = versions.get(canonicalize_name(requirement.name))
    return version is not None and requirement.specifier.contains(version, prereleases=True)
