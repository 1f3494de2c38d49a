"""nginx.conf's limits and times beside the service's own: nginx must not speak before the service has."""

from __future__ import annotations

import ast
import re

import pytest

from serving.__main__ import KEEP_ALIVE_SECONDS
from serving.routes.live import IDLE_SECONDS
from serving.settings import Settings
from tests.infra.docker_files import FOLDER, ROOT, exec_form, last

TEXT = (FOLDER / "nginx.conf").read_text()


def value(name: str, text: str = TEXT) -> str:
    """Of the first directive of that name."""
    found = re.search(rf"^\s*{name} (.*);", text, flags=re.MULTILINE)
    assert found, name
    return found[1]


def seconds(name: str, text: str = TEXT) -> float:
    return float(value(name, text).removesuffix("s"))


def backstop_seconds() -> int:
    """Read, not imported: serving.service changes uvicorn for the whole process."""
    for node in ast.parse((ROOT / "serving" / "service.py").read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "BACKSTOP_SECONDS":
            return int(ast.literal_eval(node.value))
    pytest.fail("serving/service.py has no BACKSTOP_SECONDS")


def test_bodies_are_as_large_as_the_service_allows() -> None:
    assert int(value("client_max_body_size")) == Settings().max_body_bytes
    assert f"larger than {Settings().max_body_bytes} bytes" in TEXT


def test_service_has_spoken_before_nginx_gives_up() -> None:
    assert seconds("proxy_read_timeout") > backstop_seconds()
    assert seconds("proxy_send_timeout") > Settings().body_seconds


def test_silence_on_live_is_ended_by_the_service() -> None:
    live = TEXT.partition("location = /v1/live")[2]

    assert seconds("proxy_read_timeout", live) > IDLE_SECONDS
    assert seconds("proxy_send_timeout", live) > IDLE_SECONDS


def test_nginx_closes_idle_connections_before_the_replicas_do() -> None:
    upstream = TEXT.partition("upstream sightline")[2]

    assert exec_form(last("serving.Dockerfile", "CMD")) == ["python", "-m", "serving"]
    assert seconds("keepalive_timeout", upstream) < KEEP_ALIVE_SECONDS


def test_a_request_is_tried_twice_and_no_more() -> None:
    assert "non_idempotent" in value("proxy_next_upstream").split()
    assert "http_429" not in value("proxy_next_upstream").split()
    assert value("proxy_next_upstream_tries") == "2"
    assert value("proxy_request_buffering") == "on"


def test_log_keeps_no_query() -> None:
    form = TEXT.partition("log_format")[2].partition(";")[0]

    assert "$uri" in form
    assert not re.search(r"\$(request|request_uri|args|query_string)\b", form)
