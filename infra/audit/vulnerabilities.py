"""Known vulnerabilities of the locked packages, by pip-audit.

pip-audit calls a package that its index knows nothing of "skipped", says "no known vulnerabilities" and ends
with status 0. A package that was not looked up is not a package without vulnerabilities: here it fails.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from infra.audit.known import Rules, Vulnerability, judge_found
from infra.audit.tools import run_tool
from infra.audit.verdict import Verdict

PART = "vulnerabilities"
FOUND = 1  # pip-audit's status where it found some


def ask_pip_audit(lock: Path) -> str:
    """pip-audit's JSON on the lock, whose hashes it wants; SightlineError where it reached no database."""
    return run_tool(
        "pip-audit", "--requirement", str(lock), "--require-hashes", "--disable-pip", "--format", "json",
        "--progress-spinner", "off", "--desc", "off", "--aliases", "on", allowed=(0, FOUND),
    )  # fmt: skip


def judge_vulnerabilities(text: str, lock: Mapping[str, str], rules: Rules) -> Verdict:
    """Every package of the lock must have been looked up, and what is found, in pip-audit's JSON, allowed."""
    rows: list[dict[str, Any]] = json.loads(text)["dependencies"]
    looked_up: set[str] = {canonicalize_name(row["name"]) for row in rows if "skip_reason" not in row}
    found = [_vulnerability(row, one) for row in rows for one in row.get("vulns", ())]
    known = len(looked_up & lock.keys())
    summary = f"{len(found)} known in {known} packages of {len(lock)} that were looked up"
    return judge_found(PART, summary, found, rules, not_looked_up=[*_not_looked_up(rows, lock, looked_up)])


def _vulnerability(row: Mapping[str, Any], one: Mapping[str, Any]) -> Vulnerability:
    names = (one["id"], *one["aliases"])
    return Vulnerability(row["name"], row["version"], names, tuple(one["fix_versions"]))


def _not_looked_up(
    rows: Sequence[Mapping[str, Any]], lock: Mapping[str, str], looked_up: set[str]
) -> Iterator[str]:
    """One line for all: where there is no database behind the index, it is every package."""
    missing = sorted(lock.keys() - looked_up)
    if missing:
        reasons = [row["skip_reason"] for row in rows if "skip_reason" in row] or ["pip-audit left them out"]
        names = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
        yield (
            f"{len(missing)} packages of {len(lock)} were not looked up, so nothing is known of them: {names}"
            f" (pip-audit: {reasons[0]}); run it where pip-audit reaches a database of vulnerabilities"
        )
