"""A folder whose files are listed, with their sha256, in its bundle.json: written whole or not at all.

Loading checks every hash before any file is opened by a library, because a model file can run code
(CVE-2025-1550).
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vision.errors import BundleError

SCHEMA_VERSION = 1
DESCRIPTION = "bundle.json"
# In a registered bundle the folder, itself sealed, of the Keras classifier that was converted.
NETWORK = "network"


def sha256_file(path: Path) -> str:
    """Hex digest of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """A temporary folder beside `target` that takes its place on success and vanishes on failure.

    An existing `target` is replaced. A process that is killed leaves only the temporary folder, whose
    name begins with a dot; the next writer of `target` removes it.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(target)
    folder = _beside(target)  # not by tempfile: its folders are closed to every other user
    folder.mkdir()
    lock = _lock(folder)
    try:
        yield folder
        if target.exists():
            shutil.rmtree(target)
        folder.rename(target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}-{uuid.uuid4().hex}")


def _remove_abandoned(target: Path) -> None:
    """Removes temporary folders of `target` whose writer is gone: a lock dies with its process."""
    for folder in target.parent.glob(f".{target.name}-*"):
        lock = _lock(folder)
        if lock is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)


def _lock(folder: Path) -> int | None:
    """An open descriptor that holds the folder's lock, or None where another process holds it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def write_atomically(path: Path, text: str) -> None:
    """Replaces the file's text in one step: a reader sees the old text or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _beside(path)
    try:
        with temporary.open("w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def seal(folder: Path, description: dict[str, Any]) -> str:
    """Writes bundle.json over all files of the folder; returns the bundle's digest (hex sha256)."""
    files = {
        str(path.relative_to(folder)): sha256_file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path != folder / DESCRIPTION
    }
    content = {"schema_version": SCHEMA_VERSION, **description, "files": files}
    write_atomically(folder / DESCRIPTION, json.dumps(content, indent=2, sort_keys=True) + "\n")
    return bundle_digest(folder)


def bundle_digest(folder: Path) -> str:
    """Hex sha256 of bundle.json, and so of every file that it lists."""
    return sha256_file(folder / DESCRIPTION)


def open_bundle(folder: Path) -> dict[str, Any]:
    """The description of a bundle whose every file is present and unaltered, else BundleError."""
    path = folder / DESCRIPTION
    if not path.is_file():
        raise BundleError(f"no bundle at {folder}: {DESCRIPTION} is missing")
    try:
        description: dict[str, Any] = json.loads(path.read_text())
        version, files = description["schema_version"], dict(description["files"])
    except (ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{path} is not a bundle's description: {error!r}") from error
    if version != SCHEMA_VERSION:
        raise BundleError(
            f"{path} has schema version {version}: this Sightline reads version {SCHEMA_VERSION};"
            " use the Sightline that wrote it, or one that is newer"
        )
    for name, expected in files.items():
        _check_file(folder, name, expected)
    return description


def _check_file(folder: Path, name: str, expected: str) -> None:
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise BundleError(f"{folder / DESCRIPTION} lists {name}, which is outside the bundle")
    if not path.is_file():
        raise BundleError(f"bundle {folder} lacks {name}: restore it, or register the model again")
    received = sha256_file(path)
    if received != expected:
        raise BundleError(
            f"bundle {folder}: {name} has sha256 {received[:12]}..., expected {expected[:12]}...;"
            " it was altered after it was sealed; restore it, or register the model again"
        )
