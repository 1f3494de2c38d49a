"""Requests made from the OpenAPI document, good and bad: none is a fault, and each error has our shape."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.python.asgi import get_client, shutdown_lifespans
from schemathesis.schemas import BaseSchema

from serving.schemas.answers import ErrorAnswer

EXAMPLES, LONG_RUN = 20, 1500
# Refused by design: nothing is loaded yet, it took too long.
BY_DESIGN = {503, 504}
QUIET = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.large_base_example]


@pytest.fixture(scope="module")
def document(make_registry, tmp_path_factory) -> Iterator[BaseSchema]:
    """The document of a running service, which answers without a socket."""
    registry = make_registry(tmp_path_factory.mktemp("fuzz") / "workspace")
    registry.promote(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIGHTLINE_HOME", str(registry.workspace.root))
        from serving.service import Sightline

        application = Sightline.to_asgi()
        until = time.monotonic() + 60
        with get_client(application) as client:
            while client.get("/readyz").status_code != 200:
                assert time.monotonic() < until
                time.sleep(0.05)
        yield schemathesis.openapi.from_asgi("/openapi.json", application)
        shutdown_lifespans()


def check(case: Case) -> None:
    response = case.call()
    assert response.status_code < 500 or response.status_code in BY_DESIGN, response.text
    assert response.headers["x-content-type-options"] == ["nosniff"]
    if response.status_code >= 400 and case.method != "HEAD":
        message = ErrorAnswer.model_validate_json(response.content).error.message
        assert not any(trace in message for trace in ("Traceback", "site-packages", "/tmp", " object at "))


def ask_everything(document: BaseSchema, mode: GenerationMode, **options: object) -> int:
    """Asks every operation of the document; how many could be asked."""
    asked = 0
    for operation in (result.ok() for result in document.get_all_operations()):
        ask = given(case=operation.as_strategy(generation_mode=mode))(lambda case: check(case))
        with suppress(Unsatisfiable):  # what takes no input cannot be asked wrongly
            settings(deadline=None, database=None, suppress_health_check=QUIET, **options)(ask)()
            asked += 1
    return asked


@pytest.mark.parametrize("mode", GenerationMode)
def test_no_request_is_a_fault(document, mode) -> None:
    assert ask_everything(document, mode, derandomize=True, max_examples=EXAMPLES) >= 4


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("mode", GenerationMode)
def test_no_request_of_many_is_a_fault(document, mode) -> None:
    assert ask_everything(document, mode, max_examples=LONG_RUN) >= 4
