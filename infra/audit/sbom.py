"""The bill of materials: CycloneDX JSON of the environment, with licences and who requires whom."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from infra.audit.requirements import differences
from infra.audit.tools import run_tool
from infra.audit.verdict import Verdict

PART = "bill of materials"


def write_sbom(pyproject: Path, python: Path) -> str:
    """CycloneDX 1.6 of what is installed beside that Python; the same text for the same packages."""
    return run_tool(
        "cyclonedx-py", "environment", "--pyproject", str(pyproject), "--spec-version", "1.6",
        "--output-format", "JSON", "--output-reproducible", str(python),
    )  # fmt: skip


def judge_sbom(text: str, lock: Mapping[str, str]) -> Verdict:
    """It must hold every package of the lock, at that version; others that it holds are noted."""
    document: dict[str, Any] = json.loads(text)
    found: dict[str, str] = {
        canonicalize_name(part["name"]): part["version"] for part in document["components"]
    }
    extra = sorted(found.keys() - lock.keys())
    noted = [f"installed and not in the lock: {name} {found[name]}" for name in extra]
    summary = f"{len(found)} packages, {len(lock)} in the lock"
    return Verdict(PART, summary, tuple(differences(lock, found)), tuple(noted))
