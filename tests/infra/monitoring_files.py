"""What infra/monitoring/ holds, as the tests of it read it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "infra" / "monitoring"
RULES = sorted((FOLDER / "rules").glob("*.yaml"))
PROMTOOL_TESTS = sorted((FOLDER / "tests").glob("*.yaml"))
DASHBOARDS = sorted((FOLDER / "grafana" / "dashboards").glob("*.json"))
METRIC = re.compile(r"\b(sightline_\w+)(?:\{([^}]*)\})?")
RECORDED = re.compile(r"\bsightline:[\w:]+")
LABEL = re.compile(r'(\w+)(?:=~|!~|!=|=)"([^"]*)"')


def rules() -> list[dict[str, Any]]:
    """Recording and alerting rules of all files."""
    groups = [group for path in RULES for group in yaml.safe_load(path.read_text())["groups"]]
    return [rule for group in groups for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    return [rule for rule in rules() if "alert" in rule]


def panels() -> list[dict[str, Any]]:
    """Every panel of every dashboard but rows."""
    found = [panel for path in DASHBOARDS for panel in read_dashboard(path)["panels"]]
    return [panel for panel in found if panel["type"] != "row"]


def expressions() -> list[str]:
    """All PromQL that rules and dashboards ask."""
    asked = [target["expr"] for panel in panels() for target in panel["targets"]]
    variables = [row for path in DASHBOARDS for row in read_dashboard(path)["templating"]["list"]]
    queries = [row["query"]["query"] for row in variables if row["type"] == "query"]
    return [rule["expr"] for rule in rules()] + asked + queries


def read_dashboard(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found
