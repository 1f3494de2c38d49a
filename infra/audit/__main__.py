"""`make audit`: a bill of materials, known vulnerabilities and licences of what is locked.

Writes what the tools say into workspace/audit/ and prints a verdict a part. The status is 1 where a part has
a problem, also where a tool reached no database: not to have looked is not to have found nothing.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path

from infra.audit.go_modules import PART as GO
from infra.audit.go_modules import ask_govulncheck, judge_modules, list_modules
from infra.audit.known import AllowedVulnerability, Rules
from infra.audit.licences import PART as LICENCES
from infra.audit.licences import judge_licences, list_licences
from infra.audit.policy import POLICY, read_policy
from infra.audit.requirements import read_lock
from infra.audit.sbom import PART as SBOM
from infra.audit.sbom import judge_sbom, write_sbom
from infra.audit.verdict import Verdict
from infra.audit.vulnerabilities import PART as VULNERABILITIES
from infra.audit.vulnerabilities import ask_pip_audit, judge_vulnerabilities
from registry.workspace import Workspace
from vision.bundle import write_atomically
from vision.errors import SightlineError

ROOT = Path(__file__).resolve().parents[2]
WHERE = str(POLICY.relative_to(ROOT))


def audit(folder: Path) -> list[Verdict]:
    """A verdict a part; what the tools said lies in the folder. A tool that fails fails its own part only."""
    lock, policy = read_lock(ROOT / "requirements.lock"), read_policy()
    python = Path(sys.executable)

    def sbom() -> Verdict:
        return judge_sbom(_kept(folder / "sbom.cdx.json", write_sbom(ROOT / "pyproject.toml", python)), lock)

    def licences() -> Verdict:
        _kept(folder / "licences.md", list_licences(python, "--with-urls", "--format", "markdown"))
        text = _kept(folder / "licences.json", list_licences(python, "--from", "all", "--format", "json"))
        return judge_licences(text, lock, policy.licences, where=WHERE)

    def vulnerabilities() -> Verdict:
        text = _kept(folder / "vulnerabilities.json", ask_pip_audit(ROOT / "requirements.lock"))
        return judge_vulnerabilities(text, lock, _rules(policy.vulnerabilities))

    def go_modules() -> Verdict:
        return _audit_go(folder, _rules(policy.go_vulnerabilities))

    parts = {SBOM: sbom, LICENCES: licences, VULNERABILITIES: vulnerabilities, GO: go_modules}
    return [_verdict(part, run) for part, run in parts.items()]


def _audit_go(folder: Path, rules: Rules) -> Verdict:
    go, module = shutil.which("go"), ROOT / "serving" / "go"
    if go is None:
        return Verdict(
            GO, "not looked at", noted=("go is not on the PATH; only who builds the back end needs it",)
        )
    modules = _kept(folder / "go-modules.json", list_modules(go, module))
    answers = _kept(folder / "go-vulnerabilities.json", ask_govulncheck(go, module))
    return judge_modules(modules, answers, rules)


def _verdict(part: str, run: Callable[[], Verdict]) -> Verdict:
    try:
        return run()
    except SightlineError as error:
        return Verdict(part, "no answer", (str(error),))
    except (ValueError, KeyError, TypeError) as error:  # JSON that is broken, or not of the form expected
        return Verdict(part, "no answer", (f"what the tool wrote cannot be read: {error!r}",))


def _kept(path: Path, text: str) -> str:
    write_atomically(path, text)
    return text


def _rules(allowed: Mapping[str, AllowedVulnerability]) -> Rules:
    return Rules(allowed, WHERE, date.today())


def main() -> int:
    folder = Workspace.from_environment().root / "audit"
    try:
        verdicts = audit(folder)
    except SightlineError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for verdict in verdicts:
        sys.stdout.write(f"{'ok  ' if verdict.passed else 'FAIL'} {verdict.part}: {verdict.summary}\n")
        lines = (*verdict.problems, *(f"({line})" for line in verdict.noted))
        sys.stdout.writelines(f"       {line}\n" for line in lines)
    sys.stdout.write(f"written: {folder}\n")
    return 0 if all(verdict.passed for verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
