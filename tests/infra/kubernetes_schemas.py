"""What Kubernetes, Gateway API and the Prometheus operator say of a document's form, asked offline."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate

from tests.infra.kubernetes_manifests import Document

CUSTOM = Path(__file__).parent / "schemas" / "kubernetes-crds"
# The oldest that has `preStop: sleep` without a feature gate, and the newest that kubernetes-validate knows.
VERSIONS = ("1.30", "1.37")


def check_form(document: Document, version: str) -> None:
    """jsonschema's ValidationError where a field is missing, unknown or of the wrong type."""
    if _is_custom(document):
        jsonschema.validate(document, _schema(document["kind"].lower()))
    else:
        kubernetes_validate.validate(document, version, strict=True)


def _is_custom(document: Document) -> bool:
    group = document["apiVersion"].partition("/")[0]
    return group in ("gateway.networking.k8s.io", "monitoring.coreos.com")


@cache
def _schema(kind: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((CUSTOM / f"{kind}.json").read_text())
    return schema
