"""What the policies of config.quality make of the inspection's findings."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from data_contracts.breaches import ValidationReport
from data_contracts.quality import quality_contract
from data_contracts.validation import validate_tables
from vision.manifest import ISSUES
from vision.quality_config import QualityPolicies


def inspected(*flagged: str) -> pd.DataFrame:
    """Three images; the last has the issues named."""
    columns = {column: [False, False, issue in flagged] for issue, column in ISSUES.items()}
    known = {"label": "cat", "mode": "L", "suggested_label": ["", "", "dog"]}
    return pd.DataFrame({"path": ["0.png", "1.png", "2.png"], **known, **columns})


def validate(table: pd.DataFrame, folder: Path, **policies: str) -> ValidationReport:
    chosen = QualityPolicies.model_validate(policies).model_dump()
    return validate_tables({"quality": (table, quality_contract(chosen, ISSUES))}, docs_folder=folder / "d")


def test_an_image_without_issues_keeps_the_contract(tmp_path: Path) -> None:
    assert validate(inspected(), tmp_path).breaches == ()


@pytest.mark.parametrize("policy", ["ignore", "warn", "quarantine", "stop"])
def test_a_policy_says_what_every_issue_does(policy: str, tmp_path: Path) -> None:
    report = validate(inspected(*ISSUES), tmp_path, **dict.fromkeys(ISSUES, policy))
    found = {breach.column: breach.effect for breach in report.breaches}
    effect = {"warn": "warning", "quarantine": "quarantined", "stop": "critical"}.get(policy)
    expected = dict.fromkeys(ISSUES.values(), effect) if effect else {}
    if policy == "quarantine":  # of training images only, which are not known yet
        expected["has_label_issue"] = "warning"
    assert found == expected
    assert all(breach.rows == ("2.png",) for breach in report.breaches)


def test_every_issue_says_something_of_its_own() -> None:
    contract = quality_contract(dict.fromkeys(ISSUES, "warn"), ISSUES)
    messages = {entry["meta"]["message"] for entry in contract["expectations"]}
    assert len(messages) == len(ISSUES) + 1  # and one on the columns


def test_a_doubtful_label_is_named_with_the_likelier_one(tmp_path: Path) -> None:
    report = validate(inspected("label_issues"), tmp_path, label_issues="quarantine")
    assert report.critical == ()
    assert report.quarantined == {}
    assert "2.png (dog)" in report.summary()
    assert "those among the training images are left out" in report.summary()


def test_a_manifest_without_inspection_stops(tmp_path: Path) -> None:
    ignored = dict.fromkeys(ISSUES, "ignore")
    (breach,) = validate(inspected().drop(columns="is_dark"), tmp_path, **ignored).critical
    assert "lacks columns of the inspection" in breach.message
