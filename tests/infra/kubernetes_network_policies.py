"""Rules for who may speak to whom, and for what the namespace admits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.infra.kubernetes_manifests import Document, Pod, of_kind, pods, selects, title

RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}
# (direction, namespace, its pods' label that names them, port); a missing label: all pods of that namespace.
DNS = {("egress", "kube-system", "kube-dns", port) for port in ("53/UDP", "53/TCP")}
JOBS = DNS | {("egress", "data", "postgresql", "5432/TCP")}
PEERS = {
    "serving": DNS
    | {
        ("ingress", "gateway", None, "http/TCP"),
        ("ingress", "monitoring", "prometheus", "http/TCP"),
        ("egress", "data", "redis", "6379/TCP"),
    },
    "looks": DNS | {("ingress", "monitoring", "prometheus", "metrics/TCP")},
    "training": JOBS,
    "monitoring": JOBS,
}


def deny_by_default(documents: list[Document]) -> list[str]:
    denying = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    policies = of_kind(documents, "NetworkPolicy")
    return [] if any(one["spec"] == denying for one in policies) else ["nothing denies by default"]


def allow_just_what_is_needed(documents: list[Document]) -> list[str]:
    problems = []
    for pod in pods(documents):
        wanted = PEERS[pod.labels["app.kubernetes.io/component"]]
        allowed = {
            peer for policy in of_kind(documents, "NetworkPolicy") for peer in _peers(policy["spec"], pod)
        }
        problems += [f"{pod.owner}: {peer}" for peer in sorted(wanted ^ allowed, key=str)]
    return problems


def _peers(policy: dict[str, Any], pod: Pod) -> Iterator[tuple[Any, ...]]:
    """Who may ask the pod, or be asked by it; a rule without peers is of everybody, without ports of all."""
    if not selects(policy["podSelector"], pod.labels):
        return
    for direction, side in (("ingress", "from"), ("egress", "to")):
        for rule in policy.get(direction, ()):
            for port in rule.get("ports", [{"port": "any", "protocol": "any"}]):
                for peer in rule.get(side, [{}]):
                    yield direction, *_described(peer), f"{port.get('port')}/{port['protocol']}"


def _described(peer: dict[str, Any]) -> tuple[str, str | None]:
    if "ipBlock" in peer:
        return str(peer["ipBlock"]), None
    namespace = peer.get("namespaceSelector", {}).get("matchLabels", {})
    labels = peer.get("podSelector", {}).get("matchLabels", {})
    name = labels.get("app.kubernetes.io/name") or labels.get("k8s-app")
    return namespace.get("kubernetes.io/metadata.name", "any"), name


def admit_restricted_pods_only(documents: list[Document]) -> list[str]:
    return [
        f"{title(one)} admits others"
        for one in of_kind(documents, "Namespace")
        if not RESTRICTED.items() <= one["metadata"].get("labels", {}).items()
    ]


NETWORK_POLICIES = (deny_by_default, allow_just_what_is_needed, admit_restricted_pods_only)
