"""nginx, two replicas, Redis and Prometheus together, and one replica that ends under load."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from websockets.sync.client import connect

from benchmarks.processes import free_port
from infra.docker.processes import nginx, replicas
from registry.workspace import Workspace
from serving.settings import Settings
from tests.infra.topology_world import (
    Topology,
    load,
    prometheus,
    redis,
    skip_without_programs,
    wait,
)
from tests.serving.conftest import Registry

pytestmark = pytest.mark.slow
RAW = {"content-type": "application/octet-stream"}


@pytest.fixture(scope="module")
def topology(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Topology]:
    skip_without_programs()
    folder = tmp_path_factory.mktemp("topology")
    workspace = Workspace(folder / "workspace")
    Registry(workspace).promote(1)
    ports = [free_port(), free_port()]
    variables = {"SIGHTLINE_HOME": workspace.root, "SIGHTLINE_THREADS": 1, "FORWARDED_ALLOW_IPS": "*"}
    with ExitStack() as stack:
        url = stack.enter_context(redis(folder, free_port()))
        pair = stack.enter_context(replicas(ports, folder, variables | {"SIGHTLINE_REDIS_URL": url}))
        balancer = stack.enter_context(nginx(ports, port=free_port(), health_port=free_port()))
        client = stack.enter_context(prometheus(folder, free_port(), ports))
        yield Topology(balancer, pair, client)


@pytest.fixture
def client(topology: Topology) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=topology.url, timeout=60, trust_env=False) as client:
        yield client


def image(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_replica_that_is_killed_costs_no_request(topology: Topology) -> None:
    with load(topology.url, image(1)) as running:
        for victim in topology.replicas:
            time.sleep(2)
            victim.kill()
            time.sleep(2)
            victim.start()
            victim.wait()
        time.sleep(2)

    assert set(running.endings) == {"200"}, running.endings
    answered = topology.balancer.access_log.read_text()
    for replica in topology.replicas:  # each was found gone, and the other was asked instead
        assert f"127.0.0.1:{replica.port}, 127.0.0.1:" in answered
    assert " 502, 200 " in answered


def test_a_replica_that_is_stopped_costs_no_request(topology: Topology) -> None:
    victim = topology.replicas[0]
    with load(topology.url, image(2)) as running:
        time.sleep(1)
        victim.stop()
        time.sleep(1)
        victim.start()
        victim.wait()

    assert set(running.endings) == {"200"}, running.endings


def test_prometheus_sees_which_replica_is_down(topology: Topology) -> None:
    first, second = topology.replicas
    wait(lambda: topology.up() == {first.port: True, second.port: True})

    first.kill()
    wait(lambda: topology.up() == {first.port: False, second.port: True})

    first.start()
    wait(lambda: topology.up() == {first.port: True, second.port: True})


def test_replicas_tell_each_other_answers(topology: Topology) -> None:
    def ask(port: int) -> bool:
        answer = httpx.post(f"http://127.0.0.1:{port}/v1/classify", content=image(3), headers=RAW, timeout=60)
        return bool(answer.json()["cached"])

    for replica in topology.replicas:
        replica.wait()
    assert [ask(replica.port) for replica in topology.replicas] == [False, True]


def test_frames_pass_through_nginx(topology: Topology) -> None:
    with connect(f"ws://127.0.0.1:{topology.balancer.port}/v1/live", proxy=None) as live:
        for number in (1, 2):
            live.send(image(4))
            assert json.loads(live.recv(timeout=60))["frame"] == number


def test_body_too_large_is_refused_in_the_services_words(client: httpx.Client) -> None:
    answer = client.post("/v1/classify", content=bytes(Settings().max_body_bytes + 1), headers=RAW)

    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")


def test_largest_body_reaches_the_service(client: httpx.Client) -> None:
    answer = client.post("/v1/classify", content=bytes(Settings().max_body_bytes), headers=RAW)

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "not_an_image")


def test_metrics_are_not_for_clients(client: httpx.Client) -> None:
    assert (client.get("/metrics").status_code, client.get("/readyz").status_code) == (404, 200)


def test_address_is_the_one_that_nginx_saw(tmp_path: Path) -> None:
    skip_without_programs()
    Registry(Workspace(tmp_path)).promote(1)
    ports, port = [free_port(), free_port()], free_port()
    # Room for one request a minute and address: made-up addresses must not make more room.
    variables = {"SIGHTLINE_HOME": tmp_path, "SIGHTLINE_RATE": "1/minute", "FORWARDED_ALLOW_IPS": "*"}
    with replicas(ports, tmp_path, variables), nginx(ports, port=port, health_port=free_port()):
        statuses = [
            httpx.get(f"http://127.0.0.1:{port}/v1/models", headers={"x-forwarded-for": f"203.0.113.{n}"})
            for n in range(4)
        ]

    assert sorted(answer.status_code for answer in statuses) == [200, 200, 429, 429]


def test_without_a_replica_it_says_so_and_when_to_try_again() -> None:
    skip_without_programs()
    port = free_port()
    with nginx([free_port(), free_port()], port=port, health_port=free_port()):
        answer = httpx.post(f"http://127.0.0.1:{port}/v1/classify", content=image(5), headers=RAW)

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json()["error"]["code"] == "not_ready"
