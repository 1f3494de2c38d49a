"""The manifests of infra/kubernetes as documents, and what tests ask of them: pods, environments, labels."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from dotenv import dotenv_values

FOLDER = Path(__file__).parents[2] / "infra" / "kubernetes"
NAMESPACE = "sightline"
# Whole documents of overlays; their other files are patches, which have no meaning before kustomize.
OF_OVERLAYS = ("production/gateway.yaml", "production/route.yaml")

Document = dict[str, Any]


@dataclass(frozen=True)
class Pod:
    """What a Deployment or CronJob makes; `owner` is its kind and name."""

    owner: str
    labels: dict[str, str]
    spec: dict[str, Any]

    @property
    def serves(self) -> bool:
        return self.labels["app.kubernetes.io/component"] == "serving"

    @property
    def stays(self) -> bool:
        """It is no job's."""
        return self.owner.startswith("Deployment/")

    @property
    def containers(self) -> list[dict[str, Any]]:
        return [*self.spec.get("initContainers", ()), *self.spec["containers"]]


def read_as_written() -> list[Document]:
    """A copy of every whole document of the files, and of what kustomize makes of settings.env."""
    return deepcopy(_read())


@cache
def _read() -> list[Document]:
    files = [path for name in ("base", "cronjobs") for path in sorted((FOLDER / name).rglob("*.yaml"))]
    files += [FOLDER / "overlays" / name for name in OF_OVERLAYS]
    documents = [yaml.safe_load(path.read_text()) for path in files if path.name != "kustomization.yaml"]
    settings = dict(dotenv_values(FOLDER / "base" / "settings.env"))
    made = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "sightline-settings"},
        "data": settings,
    }
    return [*documents, made]


def of_kind(documents: list[Document], *kinds: str) -> list[Document]:
    return [document for document in documents if document["kind"] in kinds]


def names(documents: list[Document], kind: str) -> set[str]:
    return {document["metadata"]["name"] for document in of_kind(documents, kind)}


def title(document: Document) -> str:
    return f"{document['kind']}/{document['metadata']['name']}"


def pods(documents: list[Document]) -> Iterator[Pod]:
    for document in documents:
        match document["kind"]:
            case "Deployment":
                template = document["spec"]["template"]
            case "CronJob":
                template = document["spec"]["jobTemplate"]["spec"]["template"]
            case _:
                continue
        yield Pod(title(document), template["metadata"]["labels"], template["spec"])


def serving_pods(documents: list[Document]) -> list[Pod]:
    return [pod for pod in pods(documents) if pod.serves]


def selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    """Of a LabelSelector; its only operator here is In."""
    for expression in selector.get("matchExpressions", ()):
        assert expression["operator"] == "In"
        if labels.get(expression["key"]) not in expression["values"]:
            return False
    return selector.get("matchLabels", {}).items() <= labels.items()


def environment(pod: Pod, documents: list[Document]) -> dict[str, str | None]:
    """Of the pod's containers and the ConfigMaps that they name; None for what only a cluster knows."""
    found: dict[str, str | None] = {}
    maps = {one["metadata"]["name"]: one["data"] for one in of_kind(documents, "ConfigMap")}
    for container in pod.containers:
        for source in container.get("envFrom", ()):
            found |= maps.get(source.get("configMapRef", {}).get("name"), {})
        found |= {one["name"]: one.get("value") for one in container.get("env", ())}
    return found


def port_names(pod: Pod) -> set[str]:
    return {port["name"] for container in pod.containers for port in container.get("ports", ())}
