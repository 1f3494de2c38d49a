"""A firing is logged, recorded under its job's name and told where it fails; records and logs are bounded."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from infra.firing import fire
from infra.firing_records import KEPT, LOGS, RECORDS, Firing, last_firing, read_firings, record_firing
from vision.file_lock import exclusive

ROOT = Path(__file__).parents[2]
ON = ("schedule",)
GOOD = [sys.executable, "-c", "print('done')"]
BAD = [sys.executable, "-c", "print('why'); raise SystemExit(3)"]


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Title and text of each alert."""
    messages: list[str] = []

    def alert(on: tuple[str, ...], kind: str, *, title: str, text: str) -> None:
        if kind in on:
            messages.append(f"{title}: {text}")

    monkeypatch.setattr("registry.alerts.alert", alert)
    return messages


def test_good_run_is_recorded_and_not_told(tmp_path: Path, told: list[str]) -> None:
    assert fire(tmp_path, "monitoring", GOOD, alerts=ON) == 0

    firing = last_firing(tmp_path, "monitoring")
    assert firing is not None
    assert (firing.job, firing.exit_code, told) == ("monitoring", 0, [])
    assert Path(str(firing.log)).read_text() == "done\n"
    assert last_firing(tmp_path, "training") is None


def test_failed_and_absent_commands_are_recorded_and_told(tmp_path: Path, told: list[str]) -> None:
    assert fire(tmp_path, "training", BAD, alerts=ON) == 3
    assert fire(tmp_path, "training", [str(tmp_path / "absent")], alerts=ON) == 127

    failed, absent = read_firings(tmp_path)
    assert (failed.exit_code, absent.exit_code) == (3, 127)
    assert Path(str(failed.log)).read_text() == "why\n"
    assert "No such file" in Path(str(absent.log)).read_text()
    assert ["training failed: " in text for text in told] == [True, True]
    assert "exit status 3" in told[0]
    assert str(failed.log) in told[0]


def test_failure_is_told_only_where_the_yaml_asks(tmp_path: Path, told: list[str]) -> None:
    fire(tmp_path, "training", BAD, alerts=("gate",))
    assert told == []


def test_training_meets_no_other_training_but_monitoring_runs(tmp_path: Path, told: list[str]) -> None:
    with exclusive(tmp_path / "training.lock"):  # a retraining that drift started
        assert fire(tmp_path, "training", BAD, alerts=ON) == 0
        assert fire(tmp_path, "monitoring", GOOD, alerts=ON) == 0

    skipped, ran = read_firings(tmp_path)
    assert "a training is running: process" in str(skipped.skipped)
    assert (skipped.job, ran.job, ran.exit_code, told) == ("training", "monitoring", 0, [])


def test_run_that_never_told_its_end_is_told_once(tmp_path: Path, told: list[str]) -> None:
    record_firing(tmp_path, Firing("2026-03-01T03:00:00.000+00:00", "a.log"))

    fire(tmp_path, "training", GOOD, alerts=ON)
    fire(tmp_path, "training", GOOD, alerts=ON)

    (message,) = told
    assert message.startswith("training was killed, or the machine stopped: It began at 2026-03-01T03:00")
    lost = read_firings(tmp_path)[0]
    assert lost.ended is not None
    assert lost.exit_code is None


def test_folder_that_cannot_be_written_is_told(tmp_path: Path, told: list[str]) -> None:
    folder = tmp_path / "schedule"
    folder.write_text("a file where the folder should be")

    with pytest.raises(OSError, match="schedule"):
        fire(folder, "training", GOOD, alerts=ON)
    assert told[0].startswith("training could not be run or recorded: ")


def test_older_and_damaged_records_are_read(tmp_path: Path) -> None:
    old = {"started": "1", "log": None, "ended": "2", "exit_code": 0, "skipped": None}
    (tmp_path / RECORDS).write_text(f'{json.dumps(old)}\n{{"started": "3", "lo\n[1]\n\n{{"x": 1}}\n')

    assert read_firings(tmp_path) == (Firing("1", None, "2", 0, job="training"),)


def test_newest_records_and_logs_of_each_job_are_kept(tmp_path: Path) -> None:
    (tmp_path / LOGS).mkdir()
    firings = [Firing(f"{number:04}", f"{LOGS}/{number}.log") for number in range(KEPT + 3)]
    lines = [json.dumps(vars(firing)) for firing in [Firing("0", None, job="monitoring"), *firings]]
    (tmp_path / RECORDS).write_text("\n".join(lines) + "\n")
    for number in range(KEPT + 3):
        (tmp_path / LOGS / f"{number}.log").touch()

    record_firing(tmp_path, Firing("9999", None))

    kept = [firing for firing in read_firings(tmp_path) if firing.job == "training"]
    assert [kept[0].started, kept[-1].started, len(kept)] == ["0004", "9999", KEPT]
    assert last_firing(tmp_path, "monitoring") is not None
    assert len(list((tmp_path / LOGS).iterdir())) == KEPT - 1  # the newest record has no log


def test_log_outside_the_folder_is_not_deleted(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.log"
    foreign.touch()
    folder = tmp_path / "schedule"
    folder.mkdir()
    lines = [json.dumps(vars(Firing(f"{number:04}", str(foreign)))) for number in range(KEPT)]
    (folder / RECORDS).write_text("\n".join(lines) + "\n")

    record_firing(folder, Firing("9999", None))

    assert read_firings(folder)[0].started == "0001"
    assert foreign.exists()


def test_firing_as_a_process(tmp_path: Path) -> None:
    arguments = [sys.executable, "-m", "infra.firing", str(tmp_path), "monitoring", "", *BAD]

    assert subprocess.run(arguments, cwd=ROOT).returncode == 3
    assert read_firings(tmp_path)[0].job == "monitoring"
