"""The systemd units: what they start exists, a training outlives its scheduler, systemd can read them."""

from __future__ import annotations

import configparser
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNITS = sorted((ROOT / "infra" / "systemd").glob("*.service"))
SCHEDULE, SERVICE = "sightline-schedule", "sightline"


def read(unit: Path) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(unit)
    return parser


def service(name: str) -> configparser.SectionProxy:
    return read(ROOT / "infra" / "systemd" / f"{name}.service")["Service"]


@pytest.fixture(params=UNITS, ids=lambda unit: unit.stem)
def unit(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def test_there_is_a_unit_for_the_schedule_and_one_for_the_service() -> None:
    assert {unit.stem for unit in UNITS} == {SCHEDULE, SERVICE}


def test_unit_starts_again_for_ever_and_at_boot(unit: Path) -> None:
    parser = read(unit)

    assert parser["Service"]["Restart"] == "always"
    assert parser["Unit"]["StartLimitIntervalSec"] == "0"
    assert parser["Install"]["WantedBy"] == "multi-user.target"


def test_unit_has_few_rights_and_can_write_the_workspace(unit: Path) -> None:
    section = read(unit)["Service"]

    assert section["User"] not in ("", "root")
    assert (section["NoNewPrivileges"], section["ProtectSystem"]) == ("yes", "full")
    assert section["CapabilityBoundingSet"] == ""
    assert section["Environment"] == f"SIGHTLINE_HOME={section['ReadWritePaths']}"


def test_training_outlives_its_scheduler() -> None:
    section = service(SCHEDULE)

    assert (section["KillMode"], section["OOMPolicy"]) == ("process", "continue")
    # Each would break what goes on when the unit stops, or what trains on a GPU.
    assert {"PrivateTmp", "PrivateDevices", "MemoryDenyWriteExecute", "RuntimeDirectory"}.isdisjoint(section)


def test_command_exists(unit: Path) -> None:
    section = read(unit)["Service"]
    program, *arguments = section["ExecStart"].split()

    assert (ROOT / Path(program).relative_to(section["WorkingDirectory"])).exists()
    assert arguments[:2] in (["schedule", "--config"], ["-m", "serving"])


def test_systemd_reads_the_unit(unit: Path, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed (Debian: systemd)")
    copy = tmp_path / unit.name
    copy.write_text(unit.read_text().replace("/opt/sightline", str(ROOT)))

    done = subprocess.run(["systemd-analyze", "verify", copy], capture_output=True, text=True)

    assert (done.returncode, done.stderr) == (0, "")
