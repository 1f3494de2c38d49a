"""The manifests keep every rule as they are written, and each rule finds what breaks it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from tests.infra.kubernetes_manifests import FOLDER, Document, read_as_written, title
from tests.infra.kubernetes_network_policies import (
    NETWORK_POLICIES,
    admit_restricted_pods_only,
    allow_just_what_is_needed,
    deny_by_default,
)
from tests.infra.kubernetes_pod_policies import (
    POD_POLICIES,
    are_bounded,
    end_in_time,
    have_no_token,
    have_no_variables_of_services,
    have_probes,
    keep_a_bentoml_home_each,
    mount_what_they_declare,
    run_pinned_images,
    run_without_rights,
    set_what_is_read,
)
from tests.infra.kubernetes_wiring_policies import (
    WIRING_POLICIES,
    name_ports_that_exist,
    name_what_exists,
    scale_by_metrics_that_exist,
    scale_what_exists,
    scrape_every_service,
    select_the_pods,
    spread_their_replicas,
    unknown_series,
)

Policy = Callable[[list[Document]], list[str]]
POLICIES = (*POD_POLICIES, *WIRING_POLICIES, *NETWORK_POLICIES)

SERVING, TRAINING = "Deployment/sightline", "CronJob/sightline-training"
SCALER = "HorizontalPodAutoscaler/sightline"
POD, JOB = "spec.template.spec", "spec.jobTemplate.spec.template.spec"
BOX = f"{POD}.containers.0"
LABELS = {"app.kubernetes.io/name": "sightline", "app.kubernetes.io/component": "serving"}
SHARED = {"name": "x", "hostPath": {"path": "/"}}
ANYBODY: list[Any] = [{}]
EVERYWHERE = {"ipBlock": {"cidr": "0.0.0.0/0"}}

# What breaks which rule: the document, the place in it, and the value there.
BROKEN: list[tuple[Policy, str, str, Any]] = [
    (run_without_rights, SERVING, f"{POD}.securityContext.runAsNonRoot", False),
    (run_without_rights, TRAINING, f"{JOB}.securityContext.runAsUser", 0),
    (run_without_rights, SERVING, f"{POD}.securityContext.seccompProfile", {"type": "Unconfined"}),
    (run_without_rights, SERVING, f"{POD}.hostNetwork", True),
    (run_without_rights, SERVING, f"{POD}.volumes.1", SHARED),
    (run_without_rights, SERVING, f"{BOX}.securityContext.readOnlyRootFilesystem", False),
    (run_without_rights, TRAINING, f"{JOB}.containers.0.securityContext.capabilities", {"drop": []}),
    (run_without_rights, SERVING, f"{POD}.initContainers", [{"name": "first", "image": "x:1"}]),
    (have_no_token, SERVING, f"{POD}.automountServiceAccountToken", True),
    (have_no_token, "ServiceAccount/sightline", "automountServiceAccountToken", True),
    (have_no_variables_of_services, SERVING, f"{POD}.enableServiceLinks", True),
    (are_bounded, SERVING, f"{BOX}.resources.limits", {"cpu": "1", "ephemeral-storage": "1Gi"}),
    (are_bounded, TRAINING, f"{JOB}.containers.0.resources", {}),
    (run_pinned_images, SERVING, f"{BOX}.image", "sightline-serving:latest"),
    (run_pinned_images, TRAINING, f"{JOB}.containers.0.image", "example.org:5000/sightline"),
    (mount_what_they_declare, SERVING, f"{POD}.volumes", []),
    (have_probes, SERVING, f"{BOX}.startupProbe", {}),
    (have_probes, SERVING, f"{BOX}.livenessProbe.httpGet.path", "/readyz"),
    (have_probes, SERVING, f"{BOX}.readinessProbe.httpGet.path", "/livez"),
    (end_in_time, SERVING, f"{POD}.terminationGracePeriodSeconds", 71),
    (end_in_time, SERVING, f"{BOX}.lifecycle", {}),
    (end_in_time, "ConfigMap/sightline-settings", "data.SIGHTLINE_ANSWER_SECONDS", "40"),
    (set_what_is_read, "ConfigMap/sightline-settings", "data.SIGHTLINE_QEUE", "64"),
    (set_what_is_read, "ConfigMap/sightline-settings", "data.SIGHTLINE_QUEUE", "-1"),
    (keep_a_bentoml_home_each, SERVING, f"{BOX}.env.1.value", "/workspace/bentoml"),
    (keep_a_bentoml_home_each, SERVING, f"{BOX}.env", []),
    (select_the_pods, "Service/sightline", "spec.selector", {"app.kubernetes.io/name": "sightline"}),
    (select_the_pods, "PodDisruptionBudget/sightline", "spec.selector.matchLabels.track", "canary"),
    (select_the_pods, SERVING, "spec.template.metadata.labels.track", "canary"),
    (spread_their_replicas, SERVING, f"{POD}.topologySpreadConstraints.0.topologyKey", "rack"),
    (spread_their_replicas, SERVING, f"{POD}.topologySpreadConstraints.1.labelSelector.matchLabels", LABELS),
    (name_ports_that_exist, "Service/sightline", "spec.ports.0.targetPort", "web"),
    (name_ports_that_exist, SERVING, f"{BOX}.ports.0.name", "web"),
    (name_ports_that_exist, SERVING, f"{BOX}.livenessProbe.httpGet.port", "web"),
    (name_ports_that_exist, "ServiceMonitor/sightline", "spec.endpoints.0.port", "metrics"),
    (scrape_every_service, "Service/sightline", "metadata.labels", {}),
    (scrape_every_service, "Service/sightline-looks", "metadata.labels", {}),
    (scrape_every_service, "ServiceMonitor/sightline-looks", "spec.jobLabel", "app.kubernetes.io/name"),
    (scrape_every_service, "ServiceMonitor/sightline-looks", "spec.selector.matchLabels", {}),
    (name_ports_that_exist, "ServiceMonitor/sightline-looks", "spec.endpoints.0.port", "http"),
    (name_ports_that_exist, "Deployment/sightline-looks", f"{BOX}.livenessProbe.httpGet.port", "http"),
    (select_the_pods, "Service/sightline-looks", "spec.selector", {"app.kubernetes.io/name": "sightline"}),
    (allow_just_what_is_needed, "NetworkPolicy/looks", "spec.ingress", ANYBODY),
    (scrape_every_service, "ServiceMonitor/sightline", "spec.jobLabel", "track"),
    (name_what_exists, "PersistentVolumeClaim/sightline-workspace", "metadata.name", "other"),
    (name_what_exists, "ServiceAccount/sightline", "metadata.name", "other"),
    (name_what_exists, "ConfigMap/sightline-settings", "metadata.name", "other"),
    (name_what_exists, "HTTPRoute/sightline", "spec.rules.0.backendRefs.0.name", "other"),
    (scale_what_exists, SCALER, "spec.scaleTargetRef.name", "other"),
    (scale_what_exists, SERVING, "spec.replicas", 2),
    (scale_by_metrics_that_exist, SCALER, "spec.metrics.1.pods.metric.name", "x"),
    (deny_by_default, "NetworkPolicy/default-deny", "spec.policyTypes", ["Ingress"]),
    (deny_by_default, "NetworkPolicy/default-deny", "spec.ingress", ANYBODY),
    (allow_just_what_is_needed, "NetworkPolicy/serving", "spec.ingress", ANYBODY),
    (allow_just_what_is_needed, "NetworkPolicy/serving", "spec.egress.0.to", [EVERYWHERE]),
    (allow_just_what_is_needed, "NetworkPolicy/serving", "spec.ingress.0.from.1", {"namespaceSelector": {}}),
    (allow_just_what_is_needed, "NetworkPolicy/jobs", "spec.egress", []),
    (allow_just_what_is_needed, "NetworkPolicy/dns", "spec.podSelector.matchLabels", LABELS),
    (admit_restricted_pods_only, "Namespace/sightline", "metadata.labels", {}),
]  # fmt: skip


def broken(owner: str, path: str, value: Any) -> list[Document]:
    """The manifests with that value at that place of one document."""
    documents = read_as_written()
    (place,) = [document for document in documents if title(document) == owner]
    *parents, last = path.split(".")
    # Keys with dots in them stand in the values of BROKEN, never in its paths.
    for key in parents:
        place = place[int(key)] if key.isdigit() else place[key]
    place[int(last) if last.isdigit() else last] = value  # type: ignore[index]
    return documents


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.__name__)
def test_manifests_keep_the_policy(policy: Policy) -> None:
    assert policy(read_as_written()) == []


@pytest.mark.parametrize(
    ("policy", "owner", "path", "value"), BROKEN, ids=[f"{one[0].__name__}-{one[2]}" for one in BROKEN]
)
def test_policy_finds_what_breaks_it(policy: Policy, owner: str, path: str, value: Any) -> None:
    assert policy(broken(owner, path, value)) != []


def test_every_policy_has_an_example_that_breaks_it() -> None:
    assert {policy for policy, *_ in BROKEN} == set(POLICIES)


def test_rules_of_prometheus_adapter_read_what_the_service_counts() -> None:
    rules = yaml.safe_load((FOLDER / "prometheus-adapter.yaml").read_text())["rules"]
    assert unknown_series(rules) == []


@pytest.mark.parametrize(
    "series", ['sightline_latency_seconds_bucket{phase="wait"}', "sightline_shed_total{}"]
)
def test_series_that_nobody_counts_is_found(series: str) -> None:
    assert unknown_series([{"seriesQuery": series, "metricsQuery": ""}]) != []
