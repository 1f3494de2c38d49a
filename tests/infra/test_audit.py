"""`make audit` decides right on what the tools say, in the shapes that they say it."""

from __future__ import annotations

import json
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from infra.audit import __main__ as command
from infra.audit.go_modules import judge_modules
from infra.audit.known import AllowedVulnerability, Rules
from infra.audit.policy import read_policy
from infra.audit.requirements import read_lock
from infra.audit.sbom import PART as SBOM
from infra.audit.sbom import judge_sbom, write_sbom
from infra.audit.tools import run_program
from infra.audit.verdict import Verdict
from infra.audit.vulnerabilities import judge_vulnerabilities
from vision.errors import ConfigError, SightlineError

ROOT = Path(__file__).parents[2]
LOCK = {"jinja2": "3.1.5", "numpy": "2.4.0"}
TODAY = date(2026, 11, 22)
REASON = "templates come from this repository only"
# As pip-audit 2.10 writes them, `--format json --aliases on --desc off`.
JINJA: dict[str, Any] = {
    "name": "jinja2",
    "version": "3.1.5",
    "vulns": [{"id": "PYSEC-2025-1", "fix_versions": ["3.1.6"], "aliases": ["CVE-2025-27516"]}],
}
NUMPY: dict[str, Any] = {"name": "numpy", "version": "2.4.0", "vulns": []}
SKIPPED = {"name": "numpy", "skip_reason": "Dependency not found on PyPI and could not be audited: numpy"}


def rules(*names: str, package: str = "jinja2", until: date = TODAY) -> Rules:
    entry = AllowedVulnerability(package=package, reason=REASON, until=until)
    return Rules(dict.fromkeys(names, entry), "policy.yaml", TODAY)


def judge(*rows: dict[str, Any], by: Rules) -> Verdict:
    return judge_vulnerabilities(json.dumps({"dependencies": rows, "fixes": []}), LOCK, by)


def test_a_vulnerability_that_is_not_listed_fails() -> None:
    verdict = judge(JINJA, NUMPY, by=rules())
    (problem,) = verdict.problems
    assert problem.startswith(
        "jinja2 3.1.5: PYSEC-2025-1, CVE-2025-27516, mended in 3.1.6; bump it, or allow"
    )
    assert verdict.summary == "1 known in 2 packages of 2 that were looked up"


@pytest.mark.parametrize("name", ["PYSEC-2025-1", "CVE-2025-27516"])
def test_a_vulnerability_may_be_allowed_by_each_of_its_names(name: str) -> None:
    verdict = judge(JINJA, NUMPY, by=rules(name))
    assert verdict.passed and REASON in verdict.noted[0]


def test_an_allowed_vulnerability_fails_after_its_day() -> None:
    verdict = judge(JINJA, NUMPY, by=rules("PYSEC-2025-1", until=date(2026, 11, 21)))
    assert len(verdict.problems) == 1 and "was allowed until 2026-11-21" in verdict.problems[0]


def test_a_vulnerability_is_allowed_for_its_own_package_only() -> None:
    first, second = judge(JINJA, NUMPY, by=rules("PYSEC-2025-1", package="numpy")).problems
    assert "bump it" in first
    assert second == "vulnerability PYSEC-2025-1 is allowed and was not found: remove it from policy.yaml"


def test_an_entry_that_allows_nothing_fails() -> None:
    (problem,) = judge({**JINJA, "vulns": []}, NUMPY, by=rules("PYSEC-2025-1")).problems
    assert problem == "vulnerability PYSEC-2025-1 is allowed and was not found: remove it from policy.yaml"


@pytest.mark.parametrize("rows", [(JINJA | {"vulns": []}, SKIPPED), (JINJA | {"vulns": []},)])
def test_a_package_that_was_not_looked_up_fails(rows: tuple[dict[str, Any], ...]) -> None:
    """And nothing is said of entries, which might have been needed."""
    (problem,) = judge(*rows, by=rules("CVE-2024-1")).problems
    assert problem.startswith(
        "1 packages of 2 were not looked up, so nothing is known of them: numpy (pip-audit"
    )


# As govulncheck 1.8 writes them, `-scan module -format json`, one after the other.
GO = """{"config": {"scanner_name": "govulncheck"}}
{"osv": {"id": "GO-2025-1", "aliases": ["CVE-2025-22870"]}}
{"finding": {"osv": "GO-2025-1", "fixed_version": "v0.36.0",
 "trace": [{"module": "golang.org/x/net", "version": "v0.35.0"}]}}
"""
MODULES = '{"Path": "sightline", "Main": true}\n{"Path": "golang.org/x/net", "Version": "v0.35.0"}\n'


def test_a_vulnerable_go_module_fails_unless_it_is_allowed() -> None:
    verdict = judge_modules(MODULES, GO, rules())
    assert verdict.summary == "1 known in 1 modules"
    (problem,) = verdict.problems
    assert problem.startswith(
        "golang.org/x/net v0.35.0: GO-2025-1, CVE-2025-22870, mended in v0.36.0; bump it"
    )
    assert judge_modules(MODULES, GO, rules("CVE-2025-22870", package="golang.org/x/net")).passed


def test_the_bill_must_hold_the_locks_versions_and_may_hold_more() -> None:
    parts = [("Jinja2", "3.1.4"), ("extra_one", "1")]
    text = json.dumps({"components": [{"name": name, "version": version} for name, version in parts]})
    verdict = judge_sbom(text, LOCK)
    assert verdict.problems == ("jinja2 3.1.5 of the lock: found 3.1.4", "numpy 2.4.0 of the lock: not found")
    assert verdict.noted == ("installed and not in the lock: extra-one 1",)


def test_the_lock_gives_the_rows_of_this_system(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text(
        f"# by uv\nJinja2==3.1.5 ; sys_platform == '{sys.platform}' \\\n    --hash=sha256:00\n    # via a\n"
        "numpy==2.4.0\ngone==1 ; sys_platform == 'other'\nmore[extra]==2\n"
    )
    assert read_lock(lock) == {**LOCK, "more": "2"}
    lock.write_text("jinja2>=3\n")
    with pytest.raises(ConfigError, match=r"jinja2>=3 is not one exact version: run `make lock`"):
        read_lock(lock)


def test_the_lock_of_this_repository_is_read_whole() -> None:
    lock = read_lock(ROOT / "requirements.lock")
    assert {"tensorflow", "zenml", "keras", "pip-audit"} <= lock.keys() and len(lock) > 300


def test_the_policy_needs_reasons(tmp_path: Path) -> None:
    assert "MIT" in read_policy().licences.allowed
    policy = tmp_path / "policy.yaml"
    policy.write_text(
        "vulnerabilities: {CVE-1: {package: numpy, reason: '', until: 2027-01-01}}\n"
        "go_vulnerabilities: {}\nlicences: {allowed: [MIT]}\n"
    )
    with pytest.raises(ConfigError, match=r"(?s)CVE-1\.reason.*at least 20 characters"):
        read_policy(policy)


def test_a_tool_that_fails_is_told_with_its_last_words() -> None:
    with pytest.raises(SightlineError, match=r"gave no answer \(status 3\): no such host; exit status 3"):
        run_program("sh", "-c", "echo first; echo 'no such host\nexit status 3' >&2; exit 3")


def test_the_audit_goes_on_after_a_tool_without_an_answer_and_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def unreachable(*_: object) -> str:
        raise SightlineError("pip-audit gave no answer (status 1): no such host")

    monkeypatch.setenv("SIGHTLINE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))  # no go
    monkeypatch.setattr(command, "ask_pip_audit", unreachable)
    monkeypatch.setattr(command, "write_sbom", lambda *_: '{"components": []}')
    monkeypatch.setattr(command, "list_licences", lambda *_: "[]")
    assert command.main() == 1
    printed = capsys.readouterr().out
    assert (
        "FAIL vulnerabilities: no answer\n       pip-audit gave no answer (status 1): no such host" in printed
    )
    assert "FAIL bill of materials: 0 packages" in printed and "ok   Go modules: not looked at" in printed
    assert {path.name for path in (tmp_path / "audit").iterdir()} == {
        "sbom.cdx.json",
        "licences.json",
        "licences.md",
    }


@pytest.mark.parametrize("text", ['{"components": [{"name": "numpy"}]}', '{"components": [', "[1]"])
def test_the_audit_goes_on_after_an_answer_that_cannot_be_read_and_fails(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # no go
    monkeypatch.setattr(command, "ask_pip_audit", lambda *_: '{"dependencies": []}')
    monkeypatch.setattr(command, "write_sbom", lambda *_: text)
    monkeypatch.setattr(command, "list_licences", lambda *_: "[]")
    bill, *others = command.audit(tmp_path)
    assert bill.part == SBOM and bill.summary == "no answer" and not bill.passed
    assert bill.problems[0].startswith("what the tool wrote cannot be read: ")
    assert len(others) == 3 and "no answer" not in {verdict.summary for verdict in others}


@pytest.mark.slow
def test_the_bill_of_this_environment_holds_each_package_of_the_lock() -> None:
    lock = read_lock(ROOT / "requirements.lock")
    text = write_sbom(ROOT / "pyproject.toml", Path(sys.executable))
    assert judge_sbom(text, lock).problems == ()
    document = json.loads(text)
    assert (document["bomFormat"], document["metadata"]["component"]["name"]) == ("CycloneDX", "sightline")
