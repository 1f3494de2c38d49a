"""Rules for what holds documents together: names, labels, ports and metrics."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml
from prometheus_client.parser import text_string_to_metric_families

from serving.observers.metrics import Metrics
from tests.infra.kubernetes_manifests import (
    FOLDER,
    Document,
    Pod,
    names,
    of_kind,
    pods,
    port_names,
    selects,
    serving_pods,
    title,
)


def select_the_pods(documents: list[Document]) -> list[str]:
    """Every Deployment, Service and budget selects pods of one Deployment, and no job's."""
    problems = []
    for document in of_kind(documents, "Deployment", "Service", "PodDisruptionBudget"):
        selector = document["spec"]["selector"]
        matching = {"matchLabels": selector} if document["kind"] == "Service" else selector
        chosen = [pod for pod in pods(documents) if selects(matching, pod.labels)]
        own = document["kind"] != "Deployment" or title(document) in [pod.owner for pod in chosen]
        if len(chosen) != 1 or not chosen[0].stays or not own:
            problems.append(f"{title(document)} selects {[pod.owner for pod in chosen]}")
    return problems


def spread_their_replicas(documents: list[Document]) -> list[str]:
    """Over nodes and zones, counting pods of their own Deployment alone."""
    wanted = {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}
    return [
        f"{pod.owner} does not spread"
        for pod in serving_pods(documents)
        if {
            one["topologyKey"]
            for one in pod.spec.get("topologySpreadConstraints", ())
            if selects(one["labelSelector"], pod.labels) and "track" in one["labelSelector"]["matchLabels"]
        }
        != wanted
    ]


def name_ports_that_exist(documents: list[Document]) -> list[str]:
    named = [(title(one), port, known) for one, port, known in _scraped(documents)]
    named += [(pod.owner, probe["httpGet"]["port"], port_names(pod)) for pod, probe in _probes(documents)]
    for service in of_kind(documents, "Service"):
        selector = {"matchLabels": service["spec"]["selector"]}
        served = [port_names(pod) for pod in pods(documents) if pod.stays and selects(selector, pod.labels)]
        named += [
            (title(service), port["targetPort"], set().union(*served)) for port in service["spec"]["ports"]
        ]
    return [f"{owner} names port {port}" for owner, port, known in named if port not in known]


def _scraped(documents: list[Document]) -> Iterator[tuple[Document, str, set[str]]]:
    """Each monitor, a port that it names, and those of the services that it selects."""
    for monitor in of_kind(documents, "ServiceMonitor"):
        services = _selected(monitor, documents)
        known = {port["name"] for service in services for port in service["spec"]["ports"]}
        for endpoint in monitor["spec"]["endpoints"]:
            yield monitor, endpoint["port"], known


def _selected(monitor: Document, documents: list[Document]) -> list[Document]:
    return [
        service
        for service in of_kind(documents, "Service")
        if selects(monitor["spec"]["selector"], service["metadata"]["labels"])
    ]


def _probes(documents: list[Document]) -> Iterator[tuple[Pod, dict[str, Any]]]:
    for pod in (pod for pod in pods(documents) if pod.stays):
        for container in pod.containers:
            yield from ((pod, probe) for key, probe in container.items() if key.endswith("Probe"))


def scrape_every_service(documents: list[Document]) -> list[str]:
    """Once each, where anything is scraped, under the names by which rules and dashboards know them."""
    prometheus = yaml.safe_load((FOLDER.parent / "monitoring" / "prometheus.yml").read_text())
    known = {one["job_name"] for one in prometheus["scrape_configs"]} & {"sightline", "sightline-looks"}
    monitors = of_kind(documents, "ServiceMonitor")
    jobs = {
        title(service): [
            service["metadata"]["labels"].get(monitor["spec"].get("jobLabel"))
            for monitor in monitors
            if service in _selected(monitor, documents)
        ]
        for service in of_kind(documents, "Service")
        if monitors
    }
    problems = [f"{name} is scraped as {found}" for name, found in jobs.items() if len(found) != 1]
    scraped = {job for found in jobs.values() for job in found}
    return problems + [f"nothing is scraped as {job}" for job in sorted(known - scraped) if monitors]


def name_what_exists(documents: list[Document]) -> list[str]:
    """Claims, accounts and ConfigMaps of pods; backends of routes."""
    named = [reference for pod in pods(documents) for reference in _references(pod)]
    for route in of_kind(documents, "HTTPRoute"):
        named += [("Service", one["name"]) for rule in route["spec"]["rules"] for one in rule["backendRefs"]]
    return [f"there is no {kind}/{name}" for kind, name in named if name not in names(documents, kind)]


def _references(pod: Pod) -> Iterator[tuple[str, str]]:
    """Kind and name; secrets are made by hand."""
    if "serviceAccountName" in pod.spec:
        yield "ServiceAccount", pod.spec["serviceAccountName"]
    for volume in pod.spec["volumes"]:
        if claim := volume.get("persistentVolumeClaim"):
            yield "PersistentVolumeClaim", claim["claimName"]
    for source in (source for container in pod.containers for source in container.get("envFrom", ())):
        if settings := source.get("configMapRef"):
            yield "ConfigMap", settings["name"]


def scale_what_exists(documents: list[Document]) -> list[str]:
    """An autoscaler's Deployment is there and leaves its replicas to it."""
    problems = []
    for scaler in of_kind(documents, "HorizontalPodAutoscaler"):
        name = scaler["spec"]["scaleTargetRef"]["name"]
        found = [one for one in of_kind(documents, "Deployment") if one["metadata"]["name"] == name]
        problems += [] if found else [f"there is no Deployment/{name}"]
        problems += [f"{title(one)} sets replicas" for one in found if "replicas" in one["spec"]]
    return problems


def scale_by_metrics_that_exist(documents: list[Document]) -> list[str]:
    """Of pods: shown by a rule of prometheus-adapter."""
    rules = yaml.safe_load((FOLDER / "prometheus-adapter.yaml").read_text())["rules"]
    shown = {rule["name"]["as"] for rule in rules}
    return [
        f"no rule shows {metric['pods']['metric']['name']}"
        for scaler in of_kind(documents, "HorizontalPodAutoscaler")
        for metric in scaler["spec"]["metrics"]
        if metric["type"] == "Pods" and metric["pods"]["metric"]["name"] not in shown
    ]


def unknown_series(rules: list[dict[str, Any]]) -> list[str]:
    """Rules of prometheus-adapter that read what a service, busy and asked too much, does not count."""
    metrics = Metrics()
    metrics.observe({"queue": 0.1})
    metrics.count_request("classify", 429)
    families = list(text_string_to_metric_families(metrics.text().decode()))
    counted = [(one.name, one.labels) for family in families for one in family.samples]
    unknown = []
    for rule in rules:
        wanted = dict(re.findall(r'(\w+)="(\w+)"', rule["seriesQuery"] + rule["metricsQuery"]))
        series = rule["seriesQuery"].partition("{")[0]
        if not any(name == series and wanted.items() <= labels.items() for name, labels in counted):
            unknown.append(f"{series}{wanted}")
    return unknown


WIRING_POLICIES = (
    select_the_pods,
    spread_their_replicas,
    name_ports_that_exist,
    scrape_every_service,
    name_what_exists,
    scale_what_exists,
    scale_by_metrics_that_exist,
)
