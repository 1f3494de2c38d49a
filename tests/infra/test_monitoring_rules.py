"""Rules and dashboards ask for what there is: metrics, labels, events, recorded series, runbooks."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from infra.monitoring.looks import Looks
from registry.drift_look import Look
from registry.monitoring import Retraining, record_look, record_retraining
from registry.workspace import Workspace
from tests.infra.monitoring_files import (
    FOLDER,
    LABEL,
    METRIC,
    PROMTOOL_TESTS,
    RECORDED,
    ROOT,
    alerts,
    expressions,
    rules,
)
from tests.serving.conftest import Registry
from tests.serving.in_process import in_process
from vision.golden import hostile_images
from vision.retraining import RetrainingDecision

NOW = datetime(2026, 11, 5, 12, tzinfo=UTC)
# Prometheus gives these to every series, or to every histogram.
ITS_OWN = {"job", "instance", "le"}
Series = dict[str, set[str]]  # label names by the name of a series


@pytest.fixture(scope="module")
def of_service(tmp_path_factory: pytest.TempPathFactory) -> Series:
    """What /metrics shows of a service that has seen everything once."""
    registry = Registry(Workspace(tmp_path_factory.mktemp("service")))
    champion = registry.promote(1)
    with in_process(registry.workspace) as service:
        image = {"content": next(iter(hostile_images(seed=5).values()))}
        for path in ("/v1/classify", "/v1/classify/batch"):
            service.post(path, headers={"content-type": "image/png"}, **image)
        service.state.engine.metrics.count("log_dropped")
        service.state.engine.metrics.batch(2)
        service.state.engine.metrics.failed(champion)
        return read_series(service.get("/metrics").text)


@pytest.fixture(scope="module")
def of_looks(tmp_path_factory: pytest.TempPathFactory) -> Series:
    workspace = Workspace(tmp_path_factory.mktemp("looks"))
    found = Look(model="m", version=1, digest="d", since=NOW, until=NOW, verdict="drift", reasons=("dark",))
    record_look(workspace, found, RetrainingDecision(reason="none"))
    record_retraining(workspace, "m", Retraining(when=NOW, reason="drift", trigger="drift"))
    registry = CollectorRegistry()
    registry.register(Looks(workspace))
    return read_series(generate_latest(registry).decode())


def read_series(text: str) -> Series:
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {sample.name: set(sample.labels) for sample in samples}


def test_every_metric_and_label_exists(of_service: Series, of_looks: Series) -> None:
    there_are = of_service | of_looks
    asked = [found for text in expressions() for found in METRIC.findall(text)]

    assert {name for name, _ in asked} - set(there_are) == set()
    for name, selector in asked:
        labels = {label for label, _ in LABEL.findall(selector)}
        assert labels <= there_are[name] | ITS_OWN, (name, selector)


def test_client_over_its_rate_is_told_apart_by_its_route(tmp_path: Path) -> None:
    """It is refused before the router; rules count 429 of any other route as failed."""
    registry = Registry(Workspace(tmp_path))
    registry.promote(1)
    with in_process(registry.workspace, rate="1/minute") as service:
        answers = [service.post("/v1/classify", content=b"no image") for _ in range(2)]
        text = service.state.engine.metrics.text().decode()

    assert [answer.status_code for answer in answers] == [415, 429]
    assert 'sightline_requests_total{route="/v1/classify",status="415"} 1.0' in text
    assert 'sightline_requests_total{route="other",status="429"} 1.0' in text


def test_every_limit_of_latency_is_a_bucket(of_service: Series) -> None:
    from serving.observers.metrics import BUCKETS

    limits = {float(limit) for text in expressions() for limit in re.findall(r'le="([\d.]+)"', text)}
    assert limits and limits <= set(BUCKETS)


def test_every_event_is_counted_somewhere() -> None:
    source = "".join(path.read_text() for path in (ROOT / "serving").rglob("*.py"))
    asked = re.findall(r'event=~?"([^"]+)"', "\n".join(expressions()))
    events = {event for names in asked for event in names.split("|")}
    assert len(events) > 5
    assert {event for event in events if f'"{event}"' not in source} == set()


def test_every_recorded_series_that_is_asked_is_recorded() -> None:
    asked = {name for text in expressions() for name in RECORDED.findall(text)}
    recorded = [rule["record"] for rule in rules() if "record" in rule]
    assert asked == set(recorded), "one that nobody asks costs memory for nothing"
    assert len(recorded) == len(set(recorded))


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_alert_says_what_is_wrong_and_what_to_do(alert: dict[str, dict[str, str]]) -> None:
    name = str(alert["alert"])
    headings = re.findall(r"^#+ (\w+)$", (ROOT / "docs" / "monitoring.md").read_text(), flags=re.MULTILINE)
    assert alert["labels"]["severity"] in ("page", "ticket")
    assert set(alert["annotations"]) == {"summary", "description", "runbook"}
    assert alert["annotations"]["runbook"] == f"docs/monitoring.md#{name.lower()}"
    assert headings.count(name) == 1


def test_no_runbook_is_of_an_alert_that_is_gone() -> None:
    page = (ROOT / "docs" / "monitoring.md").read_text()
    headings = re.findall(r"^#+ (Sightline[A-Z]\w+)$", page, flags=re.MULTILINE)
    assert sorted(headings) == sorted(alert["alert"] for alert in alerts())


def test_every_alert_is_seen_to_fire_and_to_be_silent() -> None:
    fires, silent = set(), set()
    for path in PROMTOOL_TESTS:
        document = yaml.safe_load(path.read_text())
        checks = [check for test in document["tests"] for check in test["promql_expr_test"]]
        seen = [sample["labels"] for check in checks for sample in check["exp_samples"]]
        fires |= set(re.findall(r'alertname="(\w+)"', "".join(seen)))
        if any(check["expr"].startswith("ALERTS") and not check["exp_samples"] for check in checks):
            silent |= names_in(FOLDER / "tests" / file for file in document["rule_files"])
    assert fires == silent == {alert["alert"] for alert in alerts()}


def names_in(files: Iterable[Path]) -> set[str]:
    groups = [group for file in files for group in yaml.safe_load(file.read_text())["groups"]]
    return {rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule}
