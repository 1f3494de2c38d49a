"""The workspace and the temporary folders: writable, with room, on a file system that suits."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from pathlib import Path

from infra.doctor.check import Check, Surroundings, fail, gigabytes, ok, warn

# A run of flowers leaves 0.2 GB; decoded photos and several runs fill a few.
LEAST_DISK = 1e9
ENOUGH_DISK = 5e9
# joblib, ZenML and BentoML unpack there.
ENOUGH_TEMPORARY = 1e9
# Docker's default is 64 MB. Python's locks between processes live there, of a few KB each.
ENOUGH_SHARED = 16e6
ELSEWHERE = "or set SIGHTLINE_HOME to a folder elsewhere"


def workspace(surroundings: Surroundings) -> Check:
    """Can files be made in SIGHTLINE_HOME, or in the folder where it would be made?"""
    folder, existing = surroundings.workspace, surroundings.existing
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        found = f"no file can be made in {existing}: {error.strerror}"
        return fail("workspace", found, f"make it a folder of yours (ls -ld {existing}), {ELSEWHERE}")
    return ok("workspace", str(folder) if folder == existing else f"{folder}, not made yet")


def disk_space(surroundings: Surroundings) -> Check:
    """Free bytes under the workspace."""
    free = shutil.disk_usage(surroundings.existing).free
    found = f"{gigabytes(free)} free in {surroundings.existing}"
    fix = f"remove {surroundings.workspace}/prepared (it is made again), {ELSEWHERE}"
    if free < LEAST_DISK:
        return fail("disk_space", found, fix)
    return warn("disk_space", found, fix) if free < ENOUGH_DISK else ok("disk_space", found)


def temporary_folders(surroundings: Surroundings) -> Check:
    """TMPDIR and shared memory."""
    temporary, shared = Path(tempfile.gettempdir()), surroundings.system / "dev/shm"
    free = shutil.disk_usage(temporary).free
    if free < ENOUGH_TEMPORARY:
        found = f"{gigabytes(free)} free in {temporary}"
        return warn("temporary_folders", found, f"empty {temporary}, or set TMPDIR to a folder with room")
    if shared.is_dir() and shutil.disk_usage(shared).free < ENOUGH_SHARED:
        fix = f"remove what is left in {shared}, or docker run --shm-size=1g"
        return warn("temporary_folders", f"{shared} is full", fix)
    return ok("temporary_folders", f"{gigabytes(free)} free in {temporary}")


def file_system(surroundings: Surroundings) -> Check:
    """Upper and lower case, symbolic links and locks, tried in a folder that is gone afterwards."""
    try:
        with tempfile.TemporaryDirectory(prefix=".doctor-", dir=surroundings.existing) as folder:
            problems = [problem for problem, holds in _try_out(Path(folder)).items() if not holds]
    except OSError as error:
        return warn("file_system", f"cannot be tried: {error.strerror}", "see the check workspace")
    if problems:
        return warn(
            "file_system", "; ".join(problems), "set SIGHTLINE_HOME to a folder on a local Linux disk"
        )
    return ok("file_system", "tells cases apart, has links and locks")


def _try_out(folder: Path) -> dict[str, bool]:
    """What would be wrong -> whether it is right."""
    return {
        "Rose and rose are one file: class folders that differ in case alone fall together": _tells_cases(
            folder
        ),
        "there are no symbolic links": _has_links(folder),
        "files cannot be locked: two promotions at once are not kept apart": _has_locks(folder),
    }


def _tells_cases(folder: Path) -> bool:
    (folder / "Rose").touch()
    return not (folder / "rose").exists()


def _has_links(folder: Path) -> bool:
    try:
        (folder / "link").symlink_to(folder)
    except OSError:
        return False
    return True


def _has_locks(folder: Path) -> bool:
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
    return True
