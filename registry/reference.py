"""The reference profile of a version: what its validation images looked like to it, in its bundle.

Monitoring holds a time of service against it. The service never reads it; it checks its hash, as that of
every file of a bundle, and so a Bento carries it too.
"""

from __future__ import annotations

from pathlib import Path

from registry.bundles import REFERENCE
from vision.drift.profile import Profile
from vision.errors import BundleError


def has_reference(bundle: Path) -> bool:
    """False of a bundle of before there was monitoring."""
    return (bundle / REFERENCE).is_dir()


def read_reference(bundle: Path) -> Profile:
    """The profile of a bundle whose hashes were checked; BundleError where it has none, or a damaged one."""
    if not has_reference(bundle):
        raise BundleError(
            f"version {bundle.name} was registered without a reference profile, so there is nothing to hold"
            " its service against: `sightline retrain` makes a version that has one"
        )
    return Profile.load(bundle / REFERENCE)
