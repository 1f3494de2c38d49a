"""Runs the tools of the audit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from vision.errors import SightlineError


def run_tool(name: str, *arguments: str, allowed: tuple[int, ...] = (0,)) -> str:
    """Standard output of a program of this Python's environment; SightlineError as of `run_program`."""
    program = Path(sys.executable).with_name(name)
    if not program.is_file():
        raise SightlineError(f"{name} is not in this environment: run `make setup`")
    return run_program(str(program), *arguments, allowed=allowed)


def run_program(program: str, *arguments: str, allowed: tuple[int, ...] = (0,)) -> str:
    """Standard output; SightlineError, with the program's last lines, where it ends with another status."""
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    if done.returncode not in allowed:
        lines = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()
        # Two: of a program that it started, `go run` says "exit status 1" last.
        said, name = "; ".join(lines[-2:]), Path(program).name
        raise SightlineError(f"{name} gave no answer (status {done.returncode}): {said}")
    return done.stdout
