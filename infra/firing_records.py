"""What the schedule has run: a line of JSON a firing in runs.jsonl, and a log; the newest of each job."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from vision.bundle import write_atomically
from vision.file_lock import exclusive

RECORDS = "runs.jsonl"
LOGS = "logs"
KEPT = 200  # of each job: a week of monitoring every hour, more than half a year of training every night


@dataclass(frozen=True)
class Firing:
    """One run by the schedule. `ended` is None while it runs, `exit_code` also where the end is not known."""

    started: str
    log: str | None
    ended: str | None = None
    exit_code: int | None = None
    skipped: str | None = None  # why it was not run
    job: str = "training"  # the one job of records that name none


def record_firing(folder: Path, firing: Firing) -> None:
    """Adds the firing or replaces its record; of its job all but the newest KEPT go, with their logs."""
    with exclusive(folder / "runs.lock"):
        firings = {(known.job, known.started): known for known in read_firings(folder)}
        firings[firing.job, firing.started] = firing
        dropped = [known for known in firings.values() if known.job == firing.job][:-KEPT]
        kept = [known for known in firings.values() if known not in dropped]
        write_atomically(folder / RECORDS, "".join(json.dumps(asdict(known)) + "\n" for known in kept))
        for known in dropped:
            if known.log:
                (folder / LOGS / Path(known.log).name).unlink(missing_ok=True)


def read_firings(folder: Path) -> tuple[Firing, ...]:
    """All recorded firings in the order in which they began; the last record of each counts."""
    path = folder / RECORDS
    lines = path.read_text(errors="replace").splitlines() if path.is_file() else []
    return tuple({(firing.job, firing.started): firing for firing in _parsed(lines)}.values())


def last_firing(folder: Path, job: str) -> Firing | None:
    """The job's newest, whatever became of it."""
    return next((firing for firing in reversed(read_firings(folder)) if firing.job == job), None)


def _parsed(lines: list[str]) -> Iterator[Firing]:
    for line in lines:
        try:
            yield Firing(**json.loads(line))
        except (ValueError, TypeError):
            continue  # a line that was edited or cut must not keep the next training from running
