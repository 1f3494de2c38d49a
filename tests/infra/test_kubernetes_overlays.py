"""What kustomize makes of each overlay keeps the rules, and differs as it is meant to."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.infra.kubernetes_manifests import FOLDER, Document, environment, of_kind, pods, serving_pods, title
from tests.infra.kubernetes_network_policies import NETWORK_POLICIES
from tests.infra.kubernetes_pod_policies import POD_POLICIES
from tests.infra.kubernetes_schemas import VERSIONS, check_form
from tests.infra.kubernetes_wiring_policies import WIRING_POLICIES

pytestmark = pytest.mark.slow
POLICIES = (*POD_POLICIES, *WIRING_POLICIES, *NETWORK_POLICIES)
OVERLAYS = ("local", "production", "canary", "gpu")
MODULE = "sigs.k8s.io/kustomize/kustomize/v5@v5.7.1"
every_overlay = pytest.mark.parametrize("overlay", OVERLAYS)


@pytest.fixture(scope="module")
def kustomize(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command that builds a folder."""
    if shutil.which("kustomize"):
        return ["kustomize", "build"]
    if shutil.which("kubectl"):
        return ["kubectl", "kustomize"]
    if shutil.which("go") is None:
        pytest.skip("neither kustomize nor kubectl nor go is installed")
    folder = tmp_path_factory.mktemp("kustomize")
    done = subprocess.run(
        ["go", "install", MODULE], env=os.environ | {"GOBIN": str(folder)}, capture_output=True
    )
    if done.returncode:
        pytest.skip(f"go cannot install kustomize: {done.stderr.decode()[-200:]}")
    return [str(folder / "kustomize"), "build"]


@pytest.fixture(scope="module")
def built(kustomize: list[str]) -> dict[str, list[Document]]:
    """The documents of each overlay."""
    folders = {name: FOLDER / "overlays" / name for name in OVERLAYS}
    texts = {
        name: subprocess.run([*kustomize, folder], capture_output=True, text=True, check=True).stdout
        for name, folder in folders.items()
    }
    return {name: list(yaml.safe_load_all(text)) for name, text in texts.items()}


def one(documents: list[Document], owner: str) -> dict[str, Any]:
    """The spec of the document of that kind and name."""
    (found,) = [document for document in documents if title(document) == owner]
    spec: dict[str, Any] = found["spec"]
    return spec


@every_overlay
@pytest.mark.parametrize("version", VERSIONS)
def test_built_documents_have_the_form_of_their_kind(
    built: dict[str, list[Document]], overlay: str, version: str
) -> None:
    for document in built[overlay]:
        check_form(document, version)


@every_overlay
@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.__name__)
def test_built_documents_keep_the_policy(built: dict[str, list[Document]], overlay: str, policy: Any) -> None:
    assert policy(built[overlay]) == []


@every_overlay
def test_everything_lies_in_one_namespace(built: dict[str, list[Document]], overlay: str) -> None:
    inside = [document for document in built[overlay] if document["kind"] not in ("Namespace", "Gateway")]
    assert {document["metadata"]["namespace"] for document in inside} == {"sightline"}


def test_local_needs_no_controller_that_kind_lacks(built: dict[str, list[Document]]) -> None:
    kinds = ("ServiceMonitor", "HTTPRoute", "Gateway", "HorizontalPodAutoscaler")
    assert of_kind(built["local"], *kinds) == []
    assert one(built["local"], "PersistentVolumeClaim/sightline-workspace")["accessModes"] == [
        "ReadWriteOnce"
    ]


def test_production_asks_for_keys_and_for_the_jobs_database(built: dict[str, list[Document]]) -> None:
    documents = built["production"]
    (endpoint,) = one(documents, "ServiceMonitor/sightline")["endpoints"]
    jobs = [pod for pod in pods(documents) if not pod.stays]

    assert environment(serving_pods(documents)[0], documents)["SIGHTLINE_KEYS_FILE"] == "/keys/keys.json"
    assert endpoint["authorization"]["credentials"]["name"] == "sightline-metrics-key"
    assert [job.containers[0]["envFrom"] for job in jobs] == [[{"secretRef": {"name": "sightline"}}]] * 2


def test_canary_serves_two_bentos_by_weight(built: dict[str, list[Document]]) -> None:
    tried, divided = one(built["canary"], "HTTPRoute/sightline")["rules"]
    versions = [pod.containers[0]["args"][3] for pod in serving_pods(built["canary"])]

    assert [backend["name"] for backend in tried["backendRefs"]] == ["sightline-canary"]
    assert {backend["name"]: backend["weight"] for backend in divided["backendRefs"]} == {
        "sightline": 95,
        "sightline-canary": 5,
    }
    assert versions == [f"/workspace/bentoml/bentos/sightline-digits/{number}" for number in (1, 2)]


def test_gpu_is_given_to_training_alone(built: dict[str, list[Document]]) -> None:
    limits = {pod.owner: pod.containers[0]["resources"]["limits"] for pod in pods(built["gpu"])}
    assert [owner for owner, limit in limits.items() if "nvidia.com/gpu" in limit] == [
        "CronJob/sightline-training"
    ]
    (training,) = [pod for pod in pods(built["gpu"]) if pod.owner == "CronJob/sightline-training"]
    assert training.spec["nodeSelector"] == {"nvidia.com/gpu.present": "true"}


def test_rules_of_prometheus_adapter_are_promql(tmp_path: Path) -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed")
    rules = yaml.safe_load((FOLDER / "prometheus-adapter.yaml").read_text())["rules"]
    # As prometheus-adapter fills them in.
    parts = {
        "<<.GroupBy>>": "pod",
        "<<.LabelMatchers>>": 'namespace="sightline"',
        "<<.Series>>": "series_total",
    }
    queries = [rule["metricsQuery"] for rule in rules]
    for part, value in parts.items():
        queries = [query.replace(part, value) for query in queries]
    records = [{"record": f"rule:{number}", "expr": query} for number, query in enumerate(queries)]
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "adapter", "rules": records}]}))
    done = subprocess.run(["promtool", "check", "rules", path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
