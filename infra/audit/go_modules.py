"""The Go back end's modules, listed by go, and their known vulnerabilities, by govulncheck.

govulncheck's database knows Go's own libraries too. Module for module, not call by call: that needs no C
compiler and no TensorFlow, and names what a look at the calls would leave out.
"""

from __future__ import annotations

from collections.abc import Iterator
from json import JSONDecoder
from pathlib import Path
from typing import Any

from infra.audit.known import Rules, Vulnerability, judge_found
from infra.audit.tools import run_program
from infra.audit.verdict import Verdict

PART = "Go modules"
GOVULNCHECK = "golang.org/x/vuln/cmd/govulncheck@v1.8.0"


def list_modules(go: str, module: Path) -> str:
    """`go list -m -json all`: every module that the build may take something from, with its version."""
    return run_program(go, "list", "-C", str(module), "-m", "-json", "all")


def ask_govulncheck(go: str, module: Path) -> str:
    """govulncheck's JSON; SightlineError where it reached no database. Built once, in half a minute."""
    return run_program(go, "run", GOVULNCHECK, "-C", str(module), "-scan", "module", "-format", "json")


def judge_modules(modules: str, answers: str, rules: Rules) -> Verdict:
    """What is found must be allowed, by the id GO-..., or by an alias."""
    aliases = {one["osv"]["id"]: one["osv"].get("aliases", []) for one in _documents(answers) if "osv" in one}
    findings = [one["finding"] for one in _documents(answers) if "finding" in one]
    found = [_vulnerability(one, tuple(aliases.get(one["osv"], ()))) for one in findings]
    count = sum("Main" not in one for one in _documents(modules))
    return judge_found(PART, f"{len(found)} known in {count} modules", found, rules)


def _vulnerability(finding: dict[str, Any], aliases: tuple[str, ...]) -> Vulnerability:
    place, fixed = finding["trace"][0], finding.get("fixed_version")
    mended = (fixed,) if fixed else ()
    return Vulnerability(place["module"], place.get("version", ""), (finding["osv"], *aliases), mended)


def _documents(text: str) -> Iterator[dict[str, Any]]:
    """JSON documents, one after the other, as go prints them."""
    decoder, rest = JSONDecoder(), text.lstrip()
    while rest:
        document, end = decoder.raw_decode(rest)
        yield document
        rest = rest[end:].lstrip()
