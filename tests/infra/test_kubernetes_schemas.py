"""Every whole manifest has the form that its kind asks for, and no field that nobody knows."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from tests.infra.kubernetes_manifests import Document, read_as_written, title
from tests.infra.kubernetes_schemas import VERSIONS, check_form

DOCUMENTS = {title(document): document for document in read_as_written()}


def test_every_document_is_held_against_a_schema_by_its_own_name() -> None:
    assert len(DOCUMENTS) == len(read_as_written())


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", DOCUMENTS)
def test_document_has_the_form_of_its_kind(name: str, version: str) -> None:
    check_form(DOCUMENTS[name], version)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("Deployment/sightline", {"replica": 3}),
        ("Service/sightline", {"ports": "http"}),
        ("HorizontalPodAutoscaler/sightline", {"maxReplicas": None}),
        ("HTTPRoute/sightline", {"rule": []}),
        ("HTTPRoute/sightline", {"rules": [{"backendRefs": [{"name": "sightline", "wieght": 5}]}]}),
        ("Gateway/sightline", {"gatewayClassName": 1}),
        ("ServiceMonitor/sightline", {"endpoints": [{"ports": "http"}]}),
    ],
)
def test_wrong_field_is_refused(name: str, wrong: dict[str, Any]) -> None:
    document: Document = DOCUMENTS[name] | {"spec": DOCUMENTS[name]["spec"] | wrong}
    with pytest.raises(jsonschema.ValidationError):
        check_form(document, VERSIONS[-1])
