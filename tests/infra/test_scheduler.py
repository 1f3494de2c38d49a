"""The schedule in real time, every second or two, with a stub for the training."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from infra.firing import Firing, fire, read_firings
from infra.scheduler import next_firings, training_command
from registry.workspace import Workspace
from vision.errors import ConfigError

ROOT = Path(__file__).parents[2]
# A scheduler as `sightline schedule` starts it, but for its command and the seconds of its trigger.
SCRIPT = """
import sys
from pathlib import Path
from apscheduler.triggers.cron import CronTrigger
from infra.scheduler import run_schedule
from registry.workspace import Workspace
from vision.errors import SightlineError

root, second, stub = sys.argv[1:]
try:
    run_schedule(
        Path("unused.yaml"),
        Workspace(Path(root)),
        announce=lambda time: print(time.isoformat(), flush=True),
        command=[sys.executable, "-c", stub],
        trigger=CronTrigger(second=second),
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

    def start_scheduler(second: str, seconds: float = 0.0) -> subprocess.Popen[str]:
        stub = STUB.format(ticks=str(workspace.root / "ticks"), seconds=seconds)
        process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(workspace.root), second, stub],
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


def wait_until(condition: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


def ticks(workspace: Workspace) -> list[tuple[str, float]]:
    path = workspace.root / "ticks"
    lines = path.read_text().split("\n")[:-1] if path.is_file() else []
    return [(line.split()[0], float(line.split()[1])) for line in lines]


def read_time(process: subprocess.Popen[str]) -> datetime:
    assert process.stdout is not None
    return datetime.fromisoformat(process.stdout.readline().strip())


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


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_stops_the_scheduler_but_not_the_training(
    workspace: Workspace, start: Start, number: signal.Signals
) -> None:
    process = start("*", seconds=4)
    wait_until(lambda: ticks(workspace))

    process.send_signal(number)
    assert process.wait(timeout=20) == 0
    assert firings(workspace)[0].ended is None  # it did not wait for the training
    wait_until(lambda: firings(workspace)[0].ended)
    assert [name for name, _ in ticks(workspace)] == ["begin", "end"]


def test_second_scheduler_is_told_who_runs(workspace: Workspace, start: Start) -> None:
    first = start("*/30")
    read_time(first)

    second = start("*/30")
    _, error = second.communicate(timeout=20)

    assert second.returncode == 1
    assert f"process {first.pid} on " in error
    assert len(error.splitlines()) == 1


def test_changed_cron_line_replaces_the_old_one(workspace: Workspace, start: Start) -> None:
    process = start("0")
    assert read_time(process).second == 0
    process.terminate()
    process.wait()

    assert read_time(start("30")).second == 30


def test_failed_and_absent_commands_are_recorded(workspace: Workspace) -> None:
    workspace.schedule.mkdir(parents=True)

    assert fire(workspace.schedule, [sys.executable, "-c", "print('why'); raise SystemExit(3)"]) == 3
    assert fire(workspace.schedule, [str(workspace.root / "absent")]) == 127

    failed, absent = firings(workspace)
    assert (failed.exit_code, absent.exit_code) == (3, 127)
    assert Path(str(failed.log)).read_text() == "why\n"
    assert "No such file" in Path(str(absent.log)).read_text()


def test_training_command_is_zenml_of_this_environment(tmp_path: Path) -> None:
    command = training_command(Path("run.yaml"))

    assert command[1:] == ("pipeline", "run", "training", "-c", str(Path("run.yaml").resolve()))
    assert os.access(command[0], os.X_OK)


def test_next_firings_follow_the_yaml(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text('parameters: {config: {schedule: {training: "30 2 * * *"}}}')

    first, second = next_firings(path, 2)

    assert (first.hour, first.minute) == (2, 30)
    assert timedelta(hours=22) < second - first < timedelta(hours=26)


def test_bad_cron_line_names_the_key_and_the_file(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text('parameters: {config: {schedule: {training: "99 2 * * *"}}}')

    with pytest.raises(ConfigError, match=r"run\.yaml: config\.schedule\.training: received "):
        next_firings(path, 1)
