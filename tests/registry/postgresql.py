"""A PostgreSQL server of a test's own: no network, nothing left behind."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

USER = "postgres"  # Debian's package makes it; the server refuses to run as root
DEBIAN = "/usr/lib/postgresql/*/bin"


@contextmanager
def postgresql() -> Iterator[str]:
    """The address of an empty database, for MLFLOW_TRACKING_URI; skips where PostgreSQL is not installed."""
    programs = _programs()
    # Not below pytest's folder, which is closed to every other user; short, for the socket's name.
    with tempfile.TemporaryDirectory(prefix="pg-") as name:
        folder = Path(name)
        if os.geteuid() == 0:
            shutil.chown(folder, USER)
        data = str(folder / "data")
        _run(
            programs / "initdb",
            "-D",
            data,
            "-U",
            USER,
            "--auth=trust",
            "--no-sync",
            "--no-locale",
            "-E",
            "UTF8",
        )
        server = f"-c listen_addresses= -c unix_socket_directories={folder} -c fsync=off"
        _run(programs / "pg_ctl", "start", "-w", "-D", data, "-l", str(folder / "log"), "-o", server)
        try:
            yield f"postgresql+psycopg://{USER}@/{USER}?host={folder}"
        finally:
            _run(programs / "pg_ctl", "stop", "-w", "-m", "immediate", "-D", data)


def _programs() -> Path:
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else sorted(Path("/").glob(DEBIAN.lstrip("/")))
    if not folders:
        pytest.skip("PostgreSQL is not installed: Debian's package is postgresql")
    return folders[-1]


def _run(*command: str | Path) -> None:
    user = USER if os.geteuid() == 0 else None
    done = subprocess.run(
        command,
        user=user,
        group=user,
        extra_groups=[] if user else None,
        cwd="/",
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
