"""One firing: `python -m infra.firing FOLDER JOB ALERTS COMMAND...` runs it, logs it, records how it ended.

It is a process of its own, so that a scheduler that is stopped or killed takes no training with it and
the end is recorded all the same. The lock is inherited by the command: never two at once, whoever dies.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from infra.firing_records import LOGS, Firing, read_firings, record_firing
from vision.file_lock import exclusive
from vision.operation_config import AlertKind


def fire(folder: Path, job: str, command: Sequence[str], *, alerts: tuple[AlertKind, ...] = ()) -> int:
    """The command's exit status; 0 where the job is still running and this firing is skipped.

    What fails is told to whom `alerts` says. OSError where the records cannot be written.
    """
    try:
        with exclusive(folder / f"{job}.lock", wait=False) as lock:
            _close_lost(folder, job, alerts)
            firing = _run(folder, job, command, lock_descriptor=lock.fileno())
    except BlockingIOError as holder:
        record_firing(folder, Firing(_now(), None, skipped=f"a {job} is running: {holder}", job=job))
        return 0
    except OSError as error:  # a full disk, a workspace that cannot be written
        _tell(alerts, f"{job} could not be run or recorded", f"{' '.join(command)}: {error}")
        raise
    assert firing.exit_code is not None
    if firing.exit_code:
        why = f"ended with exit status {firing.exit_code}"
        _tell(alerts, f"{job} failed", f"{' '.join(command)} {why}. Its log: {firing.log}")
    return firing.exit_code


def _run(folder: Path, job: str, command: Sequence[str], *, lock_descriptor: int) -> Firing:
    """The firing, with its end."""
    log = folder / LOGS / f"{job}-{datetime.now(UTC):%Y-%m-%dT%H-%M-%S.%fZ}.log"
    firing = Firing(_now(), str(log), job=job)
    record_firing(folder, firing)
    code = _call(command, log, lock_descriptor=lock_descriptor)
    ended = replace(firing, ended=_now(), exit_code=code)
    record_firing(folder, ended)
    return ended


def _call(command: Sequence[str], log: Path, *, lock_descriptor: int) -> int:
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        try:
            return subprocess.call(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=(lock_descriptor,),
            )
        except OSError as error:
            output.write(f"{error}\n".encode())
            return 127  # as a shell has it: the command cannot be started


def _close_lost(folder: Path, job: str, alerts: tuple[AlertKind, ...]) -> None:
    """Gives the job's last run an end where it has none: who holds the lock knows that it runs no more."""
    runs = [firing for firing in read_firings(folder) if firing.job == job and not firing.skipped]
    if runs and runs[-1].ended is None:
        record_firing(folder, replace(runs[-1], ended=_now()))
        text = f"It began at {runs[-1].started}, and how it ended is not known. Its log: {runs[-1].log}"
        _tell(alerts, f"{job} was killed, or the machine stopped", text)


def _tell(alerts: tuple[AlertKind, ...], title: str, text: str) -> None:
    from registry.alerts import alert

    alert(alerts, "schedule", title=title, text=text)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


if __name__ == "__main__":
    folder, job, kinds, *command = sys.argv[1:]
    alerts = cast(tuple[AlertKind, ...], tuple(filter(None, kinds.split(","))))
    sys.exit(fire(Path(folder), job, command, alerts=alerts))
