"""A licence is allowed to all, to one package for a reason, or refused."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from infra.audit.licences import LicencePolicy, judge_licences, list_licences
from infra.audit.policy import read_policy
from infra.audit.requirements import read_lock

ROOT = Path(__file__).parents[2]
LOCK = {"jinja2": "3.1.5", "numpy": "2.4.0"}
POLICY = LicencePolicy(
    allowed=frozenset({"MIT", "Apache-2.0"}),
    written_as={"MIT License": "MIT"},
    packages={"numpy": {"declared": "GPL-3.0", "reason": "started as a program, nothing linked"}},
)


def licence(
    name: str, expression: str = "UNKNOWN", classifier: str = "UNKNOWN", text: str = "UNKNOWN"
) -> Any:
    sources = {"License-Expression": expression, "License-Classifier": classifier, "License-Metadata": text}
    return {"Name": name, "Version": LOCK.get(name.lower(), "1"), **sources}


def judge_jinja(*declared: str, numpy: str = "GPL-3.0") -> tuple[str, ...]:
    rows = [licence("Jinja2", *declared), licence("numpy", numpy), licence("beside", "GPL-3.0")]
    return judge_licences(json.dumps(rows), LOCK, POLICY, where="policy.yaml").problems


@pytest.mark.parametrize(
    "declared",
    [
        ("MIT OR GPL-3.0-only",),
        ("MIT AND (Apache-2.0 OR LGPL-2.1-only)",),
        ("UNKNOWN", "MIT License; MIT License"),
        ("UNKNOWN", "UNKNOWN", "MIT License\n\nCopyright (c)"),
    ],
)
def test_a_licence_that_may_be_chosen_is_allowed(declared: tuple[str, ...]) -> None:
    assert judge_jinja(*declared) == ()


@pytest.mark.parametrize(
    "declared",
    ["GPL-3.0-only", "MIT AND GPL-3.0-only", "UNKNOWN", "whatever you like (really)", "LGPL-3.0-only"],
)
def test_a_licence_that_is_not_listed_fails(declared: str) -> None:
    (problem,) = judge_jinja(declared)
    assert problem == f"jinja2: {declared} is not allowed; see to it, or give a reason in policy.yaml"


def test_an_expression_counts_more_than_a_classifier() -> None:
    assert judge_jinja("GPL-3.0-only", "MIT License") != ()


def test_an_exception_fails_when_the_licence_changes_or_needs_none() -> None:
    changed, unused = judge_jinja("MIT", numpy="AGPL-3.0"), judge_jinja("MIT", numpy="MIT")
    assert changed == ("numpy: AGPL-3.0 is not allowed; see to it, or give a reason in policy.yaml",)
    assert unused == ("licence of numpy is allowed and was not found: remove it from policy.yaml",)


def test_a_package_without_a_licence_row_fails() -> None:
    verdict = judge_licences(json.dumps([licence("Jinja2", "MIT")]), LOCK, POLICY, where="policy.yaml")
    assert "numpy 2.4.0 of the lock: not found" in verdict.problems


@pytest.mark.slow
def test_licences_of_this_environment_are_allowed() -> None:
    text = list_licences(Path(sys.executable), "--from", "all", "--format", "json")
    lock = read_lock(ROOT / "requirements.lock")
    assert judge_licences(text, lock, read_policy().licences, where="policy.yaml").problems == ()
