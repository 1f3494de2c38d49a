"""The schedule in real time, every second or two, with a stub for the training."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from infra.firing_records import Firing, read_firings
from registry.workspace import Workspace

ROOT = Path(__file__).parents[2]
# A scheduler as `sightline schedule` starts it, but for the seconds of its triggers and a stub as command.
SCRIPT = """
import json, sys
from pathlib import Path
from apscheduler.triggers.cron import CronTrigger
from infra.jobs import Job
from infra.scheduler import run_schedule
from registry.workspace import Workspace
from vision.errors import SightlineError

root, seconds, stub = sys.argv[1:]
command = (sys.executable, "-c", stub)
jobs = [
    Job(name, command, "seconds", CronTrigger(second=second)) for name, second in json.loads(seconds).items()
]
try:
    run_schedule(
        jobs,
        Workspace(Path(root)),
        announce=lambda times: print(json.dumps(times, default=str), flush=True),
    )
except SightlineError as error:
    sys.exit(str(error))
"""
# Appends when it began and ended; takes as long as argument says.
STUB = """
import time
from pathlib import Path
with open({ticks!r}, "a") as file:
    print("begin", time.time(), file=file, flush=True)
    time.sleep({seconds})
    print("end", time.time(), file=file, flush=True)
print("trained")
"""
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


@pytest.fixture
def start(workspace: Workspace) -> Iterator[Start]:
    """Starts schedulers; at the end those are killed, and trainings are waited for."""
    started: list[subprocess.Popen[str]] = []

    def start_scheduler(
        second: str, seconds: float = 0.0, *, monitoring: str | None = None
    ) -> subprocess.Popen[str]:
        stub = STUB.format(ticks=str(workspace.root / "ticks"), seconds=seconds)
        times = {"training": second} | ({"monitoring": monitoring} if monitoring else {})
        process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(workspace.root), json.dumps(times), stub],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start_scheduler
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()
    wait_until(lambda: all(firing.ended or firing.skipped for firing in firings(workspace)))


def firings(workspace: Workspace) -> tuple[Firing, ...]:
    return read_firings(workspace.schedule)


def wait_until(condition: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


def ticks(workspace: Workspace) -> list[tuple[str, float]]:
    path = workspace.root / "ticks"
    lines = path.read_text().split("\n")[:-1] if path.is_file() else []
    return [(line.split()[0], float(line.split()[1])) for line in lines]


def read_times(process: subprocess.Popen[str]) -> dict[str, datetime]:
    """The next line that the scheduler announced: each job's next time."""
    assert process.stdout is not None
    times = json.loads(process.stdout.readline())
    return {name: datetime.fromisoformat(time) for name, time in times.items()}


def read_time(process: subprocess.Popen[str]) -> datetime:
    return read_times(process)["training"]


def test_firing_runs_the_command_and_records_it(workspace: Workspace, start: Start) -> None:
    process = start("*/2")
    first = read_time(process)
    wait_until(lambda: any(firing.ended for firing in firings(workspace)))

    firing = firings(workspace)[0]
    assert abs(datetime.fromisoformat(firing.started) - first) < timedelta(seconds=1.5)
    assert firing.exit_code == 0
    assert firing.log is not None
    assert Path(firing.log).read_text() == "trained\n"
    assert read_time(process) > first  # announced again after the firing


def test_killed_scheduler_catches_up_exactly_once(workspace: Workspace, start: Start) -> None:
    # Every fourth second; five seconds and more of downtime miss one firing or two.
    process = start("*/4")
    wait_until(lambda: ticks(workspace))
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = sum(name == "begin" for name, _ in ticks(workspace))
    time.sleep(8.2)
    assert sum(name == "begin" for name, _ in ticks(workspace)) == before

    process = start("*/4")
    missed, following = read_time(process), None
    restarted = datetime.now(missed.tzinfo)
    assert missed < restarted  # the firing that was missed was not forgotten
    following = read_time(process)
    assert following > restarted
    wait_until(lambda: sum(name == "begin" for name, _ in ticks(workspace)) > before)

    while datetime.now(following.tzinfo) < following - timedelta(seconds=0.2):
        assert sum(name == "begin" for name, _ in ticks(workspace)) == before + 1
        time.sleep(0.05)


def test_run_longer_than_the_interval_is_not_overlapped(workspace: Workspace, start: Start) -> None:
    start("*", seconds=2.5)
    wait_until(lambda: sum(name == "end" for name, _ in ticks(workspace)) >= 2)

    names = [name for name, _ in ticks(workspace)][:4]
    assert names == ["begin", "end", "begin", "end"]
    skipped = [firing for firing in firings(workspace) if firing.skipped]
    assert skipped
    assert "a training is running: process" in str(skipped[0].skipped)


def test_training_outlives_a_killed_scheduler_and_is_not_overlapped(
    workspace: Workspace, start: Start
) -> None:
    process = start("*", seconds=4)
    wait_until(lambda: ticks(workspace))
    process.send_signal(signal.SIGKILL)
    process.wait()

    start("*", seconds=0)
    wait_until(lambda: len(ticks(workspace)) >= 3)

    assert [name for name, _ in ticks(workspace)][:3] == ["begin", "end", "begin"]
    assert firings(workspace)[0].exit_code == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_signal_stops_the_scheduler_but_not_the_training(
    workspace: Workspace, start: Start, number: signal.Signals
) -> None:
    process = start("*", seconds=4)
    wait_until(lambda: ticks(workspace))

    process.send_signal(number)
    assert process.wait(timeout=60) == 0
    assert firings(workspace)[0].ended is None  # it did not wait for the training
    wait_until(lambda: firings(workspace)[0].ended)
    assert [name for name, _ in ticks(workspace)] == ["begin", "end"]


def test_job_without_a_cron_line_leaves_the_store(workspace: Workspace, start: Start) -> None:
    process = start("0", monitoring="0")
    assert set(read_times(process)) == {"training", "monitoring"}
    process.terminate()
    process.wait()

    assert set(read_times(start("0"))) == {"training"}


def test_each_job_runs_and_is_recorded_under_its_name(workspace: Workspace, start: Start) -> None:
    start("*/2", monitoring="*/2")
    wait_until(
        lambda: {firing.job for firing in firings(workspace) if firing.ended} == {"training", "monitoring"}
    )

    logs = {firing.job: Path(str(firing.log)).name for firing in firings(workspace) if firing.log}
    assert logs["training"].startswith("training-20")
    assert logs["monitoring"].startswith("monitoring-20")


def test_second_scheduler_is_told_who_runs(workspace: Workspace, start: Start) -> None:
    first = start("*/30")
    read_time(first)

    second = start("*/30")
    _, error = second.communicate(timeout=60)

    assert second.returncode == 1
    assert f"process {first.pid} on " in error
    assert len(error.splitlines()) == 1


def test_changed_cron_line_replaces_the_old_one(workspace: Workspace, start: Start) -> None:
    process = start("0")
    assert read_time(process).second == 0
    process.terminate()
    process.wait()

    assert read_time(start("30")).second == 30
