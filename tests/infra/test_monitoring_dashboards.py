"""Dashboards are what Grafana reads, as far as can be seen without it: its keys, a grid, words and units."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from tests.infra.monitoring_files import DASHBOARDS, FOLDER, panels, read_dashboard

COLUMNS = 24
BY_NAME = pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)


@BY_NAME
def test_panels_have_ids_of_their_own_and_do_not_overlap(path: Path) -> None:
    placed = read_dashboard(path)["panels"]
    boxes = [panel["gridPos"] for panel in placed]

    assert len({panel["id"] for panel in placed}) == len(placed)
    assert all(box["x"] + box["w"] <= COLUMNS and box["h"] > 0 for box in boxes)
    assert [pair for pair in combinations(boxes, 2) if overlap(*pair)] == []


def overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    return all(
        one[start] < other[start] + other[size] and other[start] < one[start] + one[size]
        for start, size in (("x", "w"), ("y", "h"))
    )


@pytest.mark.parametrize("panel", panels(), ids=lambda panel: panel["title"])
def test_panel_says_what_it_shows_and_in_what_unit(panel: dict[str, Any]) -> None:
    assert panel["title"] and panel["fieldConfig"]["defaults"]["unit"]
    assert panel["description"].endswith(".")
    assert panel["datasource"]["uid"] == "${datasource}"
    names = [target["refId"] for target in panel["targets"]]
    assert names and len(names) == len(set(names))


def test_dashboards_can_be_told_apart() -> None:
    found = [read_dashboard(path) for path in DASHBOARDS]
    assert len({board["uid"] for board in found}) == len({board["title"] for board in found}) == 3


@BY_NAME
def test_variables_that_are_asked_are_there(path: Path) -> None:
    board = read_dashboard(path)
    names = {variable["name"] for variable in board["templating"]["list"]}
    assert names == {name for name in ("datasource", "model") if f"${name}" in braceless(path)}


def braceless(path: Path) -> str:
    return path.read_text().replace("${", "$")


@BY_NAME
def test_every_key_is_one_that_grafana_knows(path: Path) -> None:
    """By the classes that Grafana Labs makes of its own schema: what they do not know is lost in them."""
    sdk = pytest.importorskip("grafana_foundation_sdk", reason="grafana-foundation-sdk is not installed")
    assert sdk
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.cog.plugins import register_default_plugins
    from grafana_foundation_sdk.models.dashboard import Dashboard

    register_default_plugins()
    board = read_dashboard(path)
    read = json.loads(JSONEncoder().encode(Dashboard.from_json(board)))
    assert list(lost(board, read, path.stem)) == []


def lost(given: Any, read: Any, where: str) -> Iterator[str]:
    """Where what was read lacks what was given."""
    if isinstance(given, dict) and isinstance(read, dict):
        for key, value in given.items():
            yield from lost(value, read.get(key), f"{where}.{key}")
    elif isinstance(given, list) and isinstance(read, list) and len(given) == len(read):
        for number, (one, other) in enumerate(zip(given, read, strict=True)):
            yield from lost(one, other, f"{where}[{number}]")
    elif given != read:
        yield f"{where}: {given!r} became {read!r}"


def test_provisioning_finds_the_dashboards() -> None:
    import yaml

    folder = FOLDER / "grafana" / "provisioning"
    (provider,) = yaml.safe_load((folder / "dashboards" / "sightline.yaml").read_text())["providers"]
    (source,) = yaml.safe_load((folder / "datasources" / "prometheus.yaml").read_text())["datasources"]
    assert (provider["type"], source["type"]) == ("file", "prometheus")
    assert provider["options"]["path"] == "$SIGHTLINE_DASHBOARDS"
    assert source["url"] == "$PROMETHEUS_URL"
    assert DASHBOARDS
