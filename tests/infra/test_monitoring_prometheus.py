"""Prometheus itself: its tests of the rules, its parser on the dashboards, a scrape of the real service."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import yaml

from registry.drift_look import Look
from registry.monitoring import record_look
from registry.workspace import Workspace
from tests.infra.monitoring_files import FOLDER, PROMTOOL_TESTS, ROOT, RULES, panels
from tests.serving.conftest import Registry, free_port
from vision.golden import hostile_images
from vision.retraining import RetrainingDecision

pytestmark = pytest.mark.slow
SECONDS = 240.0


@pytest.fixture(scope="session")
def promtool() -> str:
    return installed("promtool")


def installed(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed: on Debian it is in the package prometheus")
    return found


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("path", PROMTOOL_TESTS, ids=lambda path: path.stem)
def test_alerts_fire_and_are_silent_as_promtool_is_told(promtool: str, path: Path) -> None:
    done = run(promtool, "test", "rules", path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_rules_and_configuration_are_valid(promtool: str) -> None:
    for command in (("check", "rules", *RULES), ("check", "config", FOLDER / "prometheus.yml")):
        done = run(promtool, *command)
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_expression_of_the_dashboards_parses(promtool: str, tmp_path: Path) -> None:
    asked = [target["expr"] for panel in panels() for target in panel["targets"]]
    texts = [text.replace("$__rate_interval", "1m").replace("$model", ".*") for text in asked]
    rules = [{"record": f"asked:{number}", "expr": text} for number, text in enumerate(texts)]
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "asked", "rules": rules}]}))

    done = run(promtool, "check", "rules", path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not any("$" in text for text in texts)


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [
        ("objectives.yaml", "14.4", "1.4"),
        ("objectives.yaml", "12ms:ratio_rate5m < 0.5", "12ms:ratio_rate5m < 0.4"),
        ("recording.yaml", 'or rate(sightline_requests_total{status="429",route!="other"}[6h])', ""),
        ("recording.yaml", "or (sightline_events_total unless sightline_events_total offset 15m)", ""),
        ("service.yaml", "for: 2m", "for: 20m"),
    ],
)
def test_a_rule_that_is_spoiled_does_not_pass(
    promtool: str, tmp_path: Path, file: str, before: str, after: str
) -> None:
    folder = shutil.copytree(FOLDER, tmp_path / "monitoring")
    path = folder / "rules" / file
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))
    names = ("objectives", "service") if file == "recording.yaml" else (path.stem,)
    assert any(run(promtool, "test", "rules", folder / "tests" / f"{name}.yaml").returncode for name in names)


@contextmanager
def running(*command: str, log: Path, **variables: str) -> Iterator[None]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SIGHTLINE_")}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment | variables,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield
    finally:
        first = psutil.Process(process.pid)
        for one in (first, *first.children(recursive=True)):  # BentoML's worker has its own session
            one.kill()
        process.wait()


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """One with a champion, and a look that found drift."""
    workspace, now = Workspace(tmp_path / "workspace"), datetime.now(UTC)
    Registry(workspace).promote(1)
    look = Look(
        model="digits", version=1, digest="d", since=now, until=now, verdict="drift", reasons=("dark",)
    )
    record_look(workspace, look, RetrainingDecision(reason="none"))
    return workspace


def configuration(tmp_path: Path, service: int, looks: int) -> Path:
    """Ours, with those ports and a scrape a second."""
    text = (FOLDER / "prometheus.yml").read_text().replace("rules/*.yaml", str(FOLDER / "rules" / "*.yaml"))
    text = text.replace("127.0.0.1:3000", f"127.0.0.1:{service}").replace(
        "127.0.0.1:9464", f"127.0.0.1:{looks}"
    )
    path = tmp_path / "prometheus.yml"
    path.write_text(re.sub(r"(_interval): \w+", r"\1: 1s", text))
    return path


def within(seconds: float, found: Callable[[], Any]) -> Any:
    """What is found, once it is not empty."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            if result := found():
                return result
        except (httpx.TransportError, ValueError):  # not up yet, or up and answering in plain text
            pass
        time.sleep(0.2)
    return pytest.fail(f"nothing within {seconds} s")


def ask(port: int, image: bytes) -> None:
    headers = {"content-type": "image/png"}
    httpx.post(f"http://127.0.0.1:{port}/v1/classify", content=image, headers=headers, trust_env=False)


def test_prometheus_reads_the_service_and_the_looks_and_fires(workspace: Workspace, tmp_path: Path) -> None:
    prometheus, ports = installed("prometheus"), [free_port() for _ in range(3)]
    service, looks, api = ports
    home = {"SIGHTLINE_HOME": str(workspace.root), "BENTOML_HOME": str(tmp_path / "bentoml")}
    storage = ("--storage.tsdb.path", str(tmp_path / "tsdb"), "--web.listen-address", f"127.0.0.1:{api}")
    config = f"--config.file={configuration(tmp_path, service, looks)}"
    client = httpx.Client(base_url=f"http://127.0.0.1:{api}/api/v1", trust_env=False)

    def query(text: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = client.get("/query", params={"query": text}).json()["data"]["result"]
        return found

    with ExitStack() as parts:
        parts.enter_context(client)
        for number, command in enumerate(
            (
                (sys.executable, "-m", "serving", "--port", str(service)),
                (sys.executable, "-m", "infra.monitoring.looks", "--port", str(looks)),
                (prometheus, config, *storage),
            )
        ):
            parts.enter_context(running(*command, log=tmp_path / f"{number}.log", **home))
        within(SECONDS, lambda: query("sum(up) == 2"))
        image = next(iter(hostile_images(seed=5).values()))
        for _ in range(3):
            ask(service, image)
            time.sleep(1.5)
        assert within(SECONDS, lambda: query("sightline:requests:rate5m > 0"))
        assert query("sightline:failed:ratio_rate5m == 0")
        fired = within(SECONDS, lambda: client.get("/alerts").json()["data"]["alerts"])
        groups = client.get("/rules").json()["data"]["groups"]

    (drift,) = [alert for alert in fired if alert["labels"]["alertname"] == "SightlineDrift"]
    assert drift["annotations"]["summary"] == "digits version 1 sees other images than it was made for"
    # Those of days are evaluated every two minutes, so their health may be "unknown" yet.
    assert [rule["name"] for group in groups for rule in group["rules"] if rule["health"] == "err"] == []
