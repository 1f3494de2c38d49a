"""One firing: `python -m infra.firing FOLDER COMMAND...` runs the command, logs it, records how it ended.

It is a process of its own, so that a scheduler that is stopped or killed takes no training with it and
the end is recorded all the same. The lock is inherited by the command: never two at once, whoever dies.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from vision.file_lock import exclusive

LOCK = "training.lock"
RECORDS = "runs.jsonl"
LOGS = "logs"


@dataclass(frozen=True)
class Firing:
    """One run by the schedule. `exit_code` and `ended` are None while it runs, or if it was killed."""

    started: str
    log: str | None
    ended: str | None = None
    exit_code: int | None = None
    skipped: str | None = None  # why it was not run


def fire(folder: Path, command: Sequence[str]) -> int:
    """The command's exit status; 0 where a training is still running and this firing is skipped."""
    started = datetime.now(UTC)
    log = folder / LOGS / f"{started:%Y-%m-%dT%H-%M-%S.%fZ}.log"
    firing = Firing(started=started.isoformat(timespec="milliseconds"), log=str(log))
    try:
        with exclusive(folder / LOCK, wait=False) as lock:
            _record(folder, firing)
            code = _run(command, log, lock_descriptor=lock.fileno())
            _record(folder, Firing(firing.started, firing.log, ended=_now(), exit_code=code))
            return code
    except BlockingIOError as holder:
        _record(folder, Firing(firing.started, None, skipped=f"a training is running: {holder}"))
        return 0


def read_firings(folder: Path) -> tuple[Firing, ...]:
    """All recorded firings, oldest first; the record of an end replaces that of its start."""
    path = folder / RECORDS
    lines = path.read_text().splitlines() if path.is_file() else []
    firings = [Firing(**json.loads(line)) for line in lines]
    return tuple({firing.started: firing for firing in firings}.values())


def _run(command: Sequence[str], log: Path, *, lock_descriptor: int) -> int:
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


def _record(folder: Path, firing: Firing) -> None:
    """Appends one line; a line this short is written whole or not at all."""
    with (folder / RECORDS).open("a") as file:
        file.write(json.dumps(asdict(firing)) + "\n")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


if __name__ == "__main__":
    sys.exit(fire(Path(sys.argv[1]), sys.argv[2:]))
