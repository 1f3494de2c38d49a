"""Runs a line of Python in a process that kills itself (SIGKILL) when it calls a named function."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SCRIPT = """
import importlib, os, sys
from registry.workspace import Workspace
from tests.registry import fake_classifier as fake
fake.install()
workspace = Workspace.from_environment()
module, name = {at!r}.split(":")
setattr(importlib.import_module(module), name, lambda *a, **k: os.kill(os.getpid(), 9))
{work}
"""


def run_killed(work: str, *, at: str) -> None:
    """Returns when the process died at `module:function`; anything else is an AssertionError."""
    script = SCRIPT.format(at=at, work=work)
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=dict(os.environ), capture_output=True, text=True
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
