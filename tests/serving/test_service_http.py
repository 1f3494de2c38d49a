"""One real `bentoml serve`, asked over HTTP: the right answers, every bad request, champions that change."""

from __future__ import annotations

import base64
import io
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest
from PIL import Image

from registry.pointer import bundle_path
from registry.workspace import Workspace
from serving.schemas.answers import ErrorAnswer, OneClass
from vision.classifier import ImageClassifier

MAX_BODY_BYTES = 300_000
BODY_SECONDS = 1.5
NAMES = [
    *("photo.jpg", "noise.png", "gray.png", "gray16.png", "alpha.png", "palette.png", "cmyk.jpg"),
    *("one_pixel.png", "exif_1.jpg", "exif_3.jpg", "exif_6.jpg", "exif_8.jpg"),
]
JSON = {"content-type": "application/json"}
FORM = {"content-type": "multipart/form-data; boundary=x"}
RAW = {"content-type": "application/octet-stream"}


@pytest.fixture(scope="module")
def served(make_registry, start_service, tmp_path_factory):
    """Version 1 of digits, and a service of it that most tests share."""
    registry = make_registry(tmp_path_factory.mktemp("shared") / "workspace")
    registry.promote(1)
    service = start_service(
        SIGHTLINE_HOME=registry.workspace.root,
        SIGHTLINE_MAX_BODY_BYTES=MAX_BODY_BYTES,
        SIGHTLINE_BODY_SECONDS=BODY_SECONDS,
    )
    service.wait_ready()
    return ImageClassifier.load(bundle_path(registry.workspace, "digits", 1)), service


@pytest.fixture(scope="module")
def champion(served):
    return served[0]


@pytest.fixture(scope="module")
def service(served):
    return served[1]


def ask(service, way: str, data: bytes) -> httpx.Response:
    if way == "multipart":
        return service.client.post("/v1/classify?top_k=10", files={"image": ("a.bin", data)})
    if way == "json":
        body = {"image": base64.b64encode(data).decode()}
        return service.client.post("/v1/classify?top_k=10", json=body)
    return service.client.post("/v1/classify?top_k=10", content=data, headers={"content-type": "image/x"})


@pytest.mark.parametrize("way", ["multipart", "raw", "json"])
@pytest.mark.parametrize("name", NAMES)
def test_answer_equals_the_classifier(service, champion, encoded, name, way) -> None:
    expected = champion.classify(encoded[name])

    answer = OneClass.model_validate_json(ask(service, way, encoded[name]).content)

    received = {entry.name: np.float32(entry.probability) for entry in answer.classes}
    assert received == dict(zip(champion.class_names, expected, strict=True))
    assert (answer.model, answer.version) == ("digits", 1)
    assert answer.class_ == champion.class_names[int(expected.argmax())]
    assert np.float32(answer.confidence) == expected.max()
    assert answer.classes[0].name == answer.class_


def test_top_k_limits_the_classes_and_is_five_unless_told(service, encoded) -> None:
    counts = [
        len(service.classify(encoded["noise.png"], **options).json()["classes"])
        for options in ({}, {"top_k": "1"}, {"top_k": "10"})
    ]

    assert counts == [5, 1, 10]


def form(*parts: tuple[str, bytes]) -> bytes:
    """A multipart body whose boundary is x."""
    head = b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
    return b"".join(head % (name.encode(), data) for name, data in parts) + b"--x--\r\n"


def png(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height)).save(buffer, "PNG")
    return buffer.getvalue()


GOOD = png(4, 4)
BAD_REQUESTS = {
    "no bytes": (RAW, b"", 400, "not_an_image"),
    "text": (RAW, b"hello, this is no image", 400, "not_an_image"),
    "cut short": (RAW, png(300, 300)[:-100], 400, "not_an_image"),
    "SVG": ({"content-type": "image/svg+xml"}, b"<svg/>", 400, "not_an_image"),
    "too many pixels": (RAW, png(1001, 1000), 413, "too_many_pixels"),
    "too many bytes": (RAW, b"0" * (MAX_BODY_BYTES + 1), 413, "body_too_large"),
    "no type": ({}, GOOD, 415, "unsupported_type"),
    "form of curl -d": ({"content-type": "application/x-www-form-urlencoded"}, GOOD, 415, "unsupported_type"),
    "text type": ({"content-type": "text/plain"}, GOOD, 415, "unsupported_type"),
    "compressed": (RAW | {"content-encoding": "gzip"}, GOOD, 415, "unsupported_type"),
    "form, no boundary": ({"content-type": "multipart/form-data"}, GOOD, 400, "bad_multipart"),
    "form, endless boundary": (
        {"content-type": f"multipart/form-data; boundary={'x' * 5000}"}, GOOD, 400, "bad_multipart"
    ),
    "form, empty": (FORM, b"", 400, "bad_multipart"),
    "form, no form": (FORM, GOOD, 400, "bad_multipart"),
    "form, cut short": (FORM, form(("image", GOOD))[:-8], 400, "bad_multipart"),
    "form, many parts": (FORM, form(*[("other", b"")] * 5000), 400, "bad_multipart"),
    "form, long header": (FORM, b"--x\r\n" + b"A" * 100_000, 400, "bad_multipart"),
    "form, other field": (FORM, form(("picture", GOOD)), 400, "missing_image"),
    "form, two images": (FORM, form(("image", GOOD), ("image", GOOD)), 400, "several_images"),
    "form, empty image": (FORM, form(("image", b"")), 400, "not_an_image"),
    "form, address": (FORM, form(("image", b"http://127.0.0.1/a.png")), 400, "not_an_image"),
    "JSON, empty": (JSON, b"", 400, "bad_json"),
    "JSON, broken": (JSON, b'{"image": ', 400, "bad_json"),
    "JSON, not UTF-8": (JSON, b'{"image": "\xff\xfe"}', 400, "bad_json"),
    "JSON, deep": (JSON, b"[" * 100_000, 400, "bad_json"),
    "JSON, long number": (JSON, b"1" * 100_000, 400, "bad_json"),
    "JSON, list": (JSON, b"[]", 400, "bad_json"),
    "JSON, no image": (JSON, b"{}", 400, "bad_json"),
    "JSON, two images": (JSON, b'{"image": ["", ""]}', 400, "bad_json"),
    "JSON, unknown field": (JSON, b'{"image": "", "top_k": 3}', 400, "bad_json"),
    "JSON, not base64": (JSON, b'{"image": "!!!!"}', 400, "bad_base64"),
    "JSON, surrogate": (JSON, b'{"image": "\\ud800"}', 400, "bad_base64"),
    "JSON, data address": (JSON, b'{"image": "data:image/png;base64,AAAA"}', 400, "bad_base64"),
    "JSON, empty image": (JSON, b'{"image": ""}', 400, "not_an_image"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_REQUESTS)
def test_bad_request_is_refused_with_a_reason(service, name) -> None:
    headers, body, status, code = BAD_REQUESTS[name]

    response = service.client.post("/v1/classify", content=body, headers=headers)

    assert_refused(response, status, code)


INTERNALS = ("Traceback", "/work", "/tmp", "site-packages", " object at ")


def assert_refused(response: httpx.Response, status: int, code: str) -> None:
    error = ErrorAnswer.model_validate_json(response.content).error
    assert (response.status_code, error.code) == (status, code), error.message
    assert response.headers["x-content-type-options"] == "nosniff"
    assert not any(
        trace in error.message for trace in ("Traceback", "/work", "/tmp", "site-packages", " object at ")
    )


@pytest.mark.parametrize("top_k", ["0", "11", "-1", "1.5", "many", "", "٣", "9" * 5000])
def test_bad_top_k_is_refused(service, top_k) -> None:
    assert_refused(service.classify(GOOD, top_k=top_k), 400, "bad_top_k")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/classify", 405, "method_not_allowed"),
        ("OPTIONS", "/v1/classify", 405, "method_not_allowed"),
        ("POST", "/livez", 405, "method_not_allowed"),
        ("GET", "/v1/nothing", 404, "not_found"),
        ("GET", "/v1/classify/../../etc/passwd%00", 404, "not_found"),
    ],
)
def test_wrong_route_is_answered_in_json(service, method, path, status, code) -> None:
    assert_refused(service.client.request(method, path), status, code)


def test_endless_body_is_refused_while_it_is_read(service) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while sent < 100 * MAX_BODY_BYTES:
            sent += 10_000
            yield b"0" * 10_000

    response = service.client.post("/v1/classify", content=endless(), headers=RAW)

    assert_refused(response, 413, "body_too_large")
    assert sent < 100 * MAX_BODY_BYTES


SLOW_HEAD = (
    b"POST /v1/classify HTTP/1.1\r\nHost: a\r\nContent-Type: image/png\r\nContent-Length: 99999\r\n\r\n"
)


def test_slow_client_is_refused_and_blocks_nobody(service, encoded) -> None:
    slow = [socket.create_connection(("127.0.0.1", service.port)) for _ in range(30)]
    for connection in slow:
        connection.sendall(SLOW_HEAD + b"only this")

    begin = time.monotonic()
    answer = service.classify(encoded["photo.jpg"])
    seconds = time.monotonic() - begin

    assert answer.status_code == 200
    assert seconds < BODY_SECONDS
    slow[0].settimeout(5)
    assert b" 408 " in slow[0].recv(100)
    for connection in slow:
        connection.close()


def test_client_that_leaves_is_forgotten(service, encoded) -> None:
    with socket.create_connection(("127.0.0.1", service.port)) as connection:
        connection.sendall(SLOW_HEAD)

    assert service.classify(encoded["photo.jpg"]).status_code == 200
    assert "Traceback" not in service.log.read_text()


def test_probes_and_page_answer(service) -> None:
    assert [service.client.get(path).status_code for path in ("/livez", "/readyz")] == [200, 200]
    page = service.client.get("/")
    assert "http" not in page.text.replace("http-equiv", "")
    scripts = ["/static_content/swagger-ui-bundle.js", "/static_content/swagger-ui.css"]
    assert [service.client.get(path).status_code for path in scripts] == [200, 200]


def test_other_origins_are_not_let_in(service) -> None:
    response = service.client.get("/readyz", headers={"origin": "https://example.org"})

    assert "access-control-allow-origin" not in response.headers


def test_metrics_count_answers_predictions_and_version(service, encoded) -> None:
    winner = service.classify(encoded["photo.jpg"]).json()["class"]
    service.classify(b"no image")

    text = service.client.get("/metrics").text

    assert 'sightline_requests_total{route="/v1/classify",status="200"}' in text
    assert 'sightline_requests_total{route="/v1/classify",status="400"}' in text
    assert 'sightline_latency_seconds_bucket{le="0.001",phase="decode"}' in text
    assert (
        f'sightline_predictions_total{{arm="champion",class_name="{winner}",model="digits",version="1"}}'
        in text
    )
    assert 'sightline_served_version{arm="champion",model="digits"} 1.0' in text


@pytest.mark.parametrize("path", ["/docs.json", "/openapi.json"])
def test_openapi_describes_classify(service, path) -> None:
    document = service.client.get(path).json()

    operation = document["paths"]["/v1/classify"]["post"]
    refusals = {"400", "401", "403", "405", "408", "413", "415", "429", "431", "500", "503", "504"}
    assert set(operation["responses"]) == {"200"} | refusals
    bodies = {"multipart/form-data", "application/json", "image/*", "application/octet-stream"}
    assert set(operation["requestBody"]["content"]) == bodies
    assert operation["parameters"][0]["name"] == "top_k"
    told = {"id", "model", "version", "arm", "cached", "milliseconds"}
    fields = told | {"task", "class", "confidence", "classes", "uncertainty"}
    assert fields == set(document["components"]["schemas"]["OneClass"]["properties"])
    references = {part.split('"')[0] for part in json.dumps(document).split('"#/components/schemas/')[1:]}
    assert references <= set(document["components"]["schemas"])


def test_service_listens_on_loopback_only(service) -> None:
    family = [service.process.pid, *(c.pid for c in psutil.Process(service.process.pid).children(True))]

    listening = [
        connection.laddr.ip
        for pid in family
        for connection in psutil.Process(pid).net_connections("inet")
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == service.port
    ]

    assert set(listening) == {"127.0.0.1"}


def test_no_champion_says_how_to_make_one_and_then_serves(registry, start_service, encoded) -> None:
    service = start_service(SIGHTLINE_HOME=registry.workspace.root)
    service.wait(lambda: "champion yet" in service.client.get("/readyz").text)
    refused = service.client.get("/readyz"), service.classify(encoded["photo.jpg"])

    registry.promote(1)

    service.wait_ready(seconds=5)
    for response in refused:
        assert_refused(response, 503, "not_ready")
        assert "make train" in response.json()["error"]["message"]
    assert service.client.get("/livez").status_code == 200
    assert service.classify(encoded["photo.jpg"]).json()["version"] == 1


def test_promotion_is_followed_and_an_altered_bundle_is_not(registry, start_service, encoded) -> None:
    registry.promote(1)
    service = start_service(SIGHTLINE_HOME=registry.workspace.root)
    service.wait_ready()

    registry.promote(2)
    service.wait(lambda: service.classify(encoded["photo.jpg"]).json()["version"] == 2, seconds=5)
    expected = ImageClassifier.load(bundle_path(registry.workspace, "digits", 2))
    answer = service.classify(encoded["photo.jpg"]).json()
    assert np.float32(answer["confidence"]) == expected.classify(encoded["photo.jpg"]).max()

    alter(registry.workspace, registry.store(3).version)
    registry.point_to(3)
    service.wait(lambda: "digits version 3 cannot be served" in service.log.read_text())
    assert service.classify(encoded["photo.jpg"]).json()["version"] == 2
    assert service.client.get("/readyz").status_code == 200
    assert 'sightline_load_failures_total{model="digits"} 1.0' in service.client.get("/metrics").text


def alter(workspace: Workspace, version: int) -> None:
    model = bundle_path(workspace, "digits", version) / "model.bin"
    content = bytearray(model.read_bytes())
    content[0] ^= 1
    model.write_bytes(content)


def test_wrong_setting_ends_the_start_with_one_line(start_service, tmp_path) -> None:
    command = ["bentoml", "serve", "serving.service:Sightline"]

    service = start_service(command, SIGHTLINE_HOME=tmp_path, SIGHTLINE_MAX_BODY_BYTES="20MB")

    assert service.process.wait(timeout=20) != 0
    log = service.log.read_text()
    assert 'SIGHTLINE_MAX_BODY_BYTES="20MB"' in log
    assert "Traceback" not in log


DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["hostile-images", "exif-orientation"])
def test_no_file_of_a_hostile_collection_is_a_fault(registry, start_service, folder) -> None:
    if not (DATA / folder).is_dir():
        pytest.skip(f"the development data {DATA / folder} is not on this machine")
    registry.promote(1)
    service = start_service(SIGHTLINE_HOME=registry.workspace.root)
    service.wait_ready()

    answers = {p.name: ask(service, "raw", p.read_bytes()) for p in sorted((DATA / folder).iterdir())}

    assert {response.status_code for response in answers.values()} <= {200, 400, 413}
    assert answers["LICENSE"].status_code == 400
