"""POST /v1/classify/batch: forms and archives, good and hostile, and what a batch does to other requests."""

from __future__ import annotations

import asyncio
import io
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import pytest
from openapi_schema_validator import OAS31Validator
from PIL import Image

from serving.answers import RequestError
from serving.engine import Engine
from serving.routes.batch import AT_ONCE, IMAGES_A_THREAD
from serving.schemas.batch import Batch, ClassedImage, LabelledImage, RefusedImage
from serving.workers import Workers
from tests.serving.in_process import InProcess, in_process
from tests.serving.made_archives import PLAIN, patched, picture, with_link, zipped

PATH = "/v1/classify/batch"
HOSTILE = Path(__file__).resolve().parents[3] / "shared" / "data" / "hostile-images"
ZIP = {"content-type": "application/zip"}


@pytest.fixture(scope="module")
def client(digits) -> Iterator[InProcess]:
    with in_process(digits.workspace, batch_images=6, max_body_bytes=50_000, threads=2) as client:
        yield client


def send_form(client: InProcess, *files: tuple[str, bytes], **options: str) -> httpx.Response:
    return client.post(PATH, files=[("image", file) for file in files], params=options)


def send_zip(client: InProcess, data: bytes, **headers: str) -> httpx.Response:
    return client.post(PATH, content=data, headers=ZIP | headers)


WAYS: dict[str, Callable[..., httpx.Response]] = {
    "form": send_form,
    "zip": lambda client, *files: send_zip(client, zipped(*files)),
    "zip in a form": lambda client, *files: send_form(client, ("all.zip", zipped(*files))),
}


def test_the_images_of_a_batch_are_counted(client) -> None:
    def told() -> tuple[float, float]:
        lines = client.get("/metrics").text.splitlines()
        counts = dict(line.split() for line in lines if line.startswith("sightline_batch_images_"))
        return float(counts["sightline_batch_images_count"]), float(counts["sightline_batch_images_sum"])

    batches, images = told()
    send_form(client, *[(f"{level}.png", picture(level)) for level in (1, 2, 3)])

    assert told() == (batches + 1, images + 3)


@pytest.mark.parametrize("way", WAYS)
def test_answers_are_the_champions_in_order(champion, client, way) -> None:
    files = [(f"{level}.png", picture(level)) for level in (200, 0, 90, 31, 255)]

    answers = Batch.model_validate_json(WAYS[way](client, *files).content).answers

    expected = [champion.classify(data) for _, data in files]
    assert [(answer.index, answer.file) for answer in answers] == [(i, files[i][0]) for i in range(5)]
    assert [answer.class_ for answer in answers] == [champion.class_names[p.argmax()] for p in expected]
    assert [np.float32(answer.confidence) for answer in answers] == [p.max() for p in expected]


@pytest.mark.parametrize("way", WAYS)
def test_a_bad_image_is_an_error_of_its_own(client, way) -> None:
    response = WAYS[way](client, ("a.png", picture(1)), ("b.txt", b"no image"), ("c.png", picture(3)))

    good, bad, last = Batch.model_validate_json(response.content).answers
    assert (type(good), type(bad), type(last)) == (ClassedImage, RefusedImage, ClassedImage)
    assert (bad.index, bad.file, bad.error.code) == (1, "b.txt", "not_an_image")


def test_an_image_of_too_many_pixels_is_an_error_of_its_own(client) -> None:
    buffer = io.BytesIO()
    Image.new("1", (2000, 1000)).save(buffer, "PNG")

    response = send_form(client, ("large.png", buffer.getvalue()), ("a.png", picture(1)))

    large, good = Batch.model_validate_json(response.content).answers
    assert (large.error.code, type(good)) == ("too_many_pixels", ClassedImage)


def test_several_labels_and_the_number_of_classes(registry) -> None:
    replace(registry, task="multi_label", thresholds=(0.5,) * 10).promote(1)

    with in_process(registry.workspace) as client:
        response = send_form(client, ("a.png", picture(9)), top_k="3")

    [answer] = Batch.model_validate_json(response.content).answers
    assert isinstance(answer, LabelledImage)
    assert len(answer.classes) == 3


def test_openapi_describes_good_and_bad_answers(client) -> None:
    described = client.get("/openapi.json").json()
    answer = send_form(client, ("a.png", picture(1)), ("b.png", b"")).json()

    schema = {"$ref": "#/components/schemas/Batch", "components": described["components"]}

    OAS31Validator(schema).validate(answer)
    assert not OAS31Validator(schema).is_valid({"answers": [{"index": 0, "file": ""}]})
    assert set(described["paths"][PATH]["post"]["requestBody"]["content"]) == {
        "multipart/form-data",
        "application/zip",
    }


@pytest.mark.skipif(not HOSTILE.is_dir(), reason=f"{HOSTILE} is not there")
def test_hostile_images_spoil_nothing(digits) -> None:
    files = [(path.name, path.read_bytes()) for path in sorted(HOSTILE.iterdir()) if path.is_file()]

    with in_process(digits.workspace) as client:
        response = send_zip(client, zipped(*files, ("good.png", picture(1))))

    *hostile, good = Batch.model_validate_json(response.content).answers
    assert isinstance(good, ClassedImage)
    codes = {each.error.code for each in hostile if isinstance(each, RefusedImage)}
    assert codes <= {"not_an_image", "too_many_pixels"}


def test_folders_and_macos_files_are_passed_over(client) -> None:
    data = zipped(("photos/", b""), ("photos/a.png", picture(1)), ("__MACOSX/photos/._a.png", b"macOS"))

    answers = Batch.model_validate_json(send_zip(client, data).content).answers

    assert [(answer.index, answer.file) for answer in answers] == [(0, "photos/a.png")]


def test_names_are_passed_on_and_are_no_paths(client, tmp_path) -> None:
    names = ["../../etc/passwd", "/etc/shadow", "C:\\a.png", "größe.png", "a\tb.png"]

    answers = send_zip(client, zipped(*((name, picture(1)) for name in names))).json()["answers"]

    assert [answer["file"] for answer in answers] == names
    assert all("class" in answer for answer in answers)


def test_a_file_that_is_no_image_is_an_error_of_its_own(client) -> None:
    linked = with_link("a.png")

    answers = [
        Batch.model_validate_json(send_zip(client, data).content).answers[0]
        for data in (linked, zipped(("all.zip", PLAIN)), zipped(("a.png", b"")))
    ]

    codes = [answer.error.code for answer in answers if isinstance(answer, RefusedImage)]
    assert codes == ["bad_zip_entry", "not_an_image", "not_an_image"]


REFUSED = {
    "too many in a form": (lambda c: send_form(c, *[("", picture(1))] * 7), 413, "too_many_images"),
    "far too many": (lambda c: send_form(c, *[("", b"")] * 100), 400, "bad_multipart"),
    "too many in a zip": (lambda c: send_zip(c, zipped(*[(f"{i}", b"") for i in range(7)])), 413,
                          "too_many_images"),
    "thousands of entries": (lambda c: send_zip(c, b"PK\1\2" * 1001), 413, "too_many_images"),
    "a bomb that says so": (lambda c: send_zip(c, zipped(("a", bytes(60_000)))), 413, "body_too_large"),
    "more than all memory": (lambda c: send_zip(c, patched(PLAIN, 24, "<I", 2**32 - 2)), 413,
                             "body_too_large"),
    "a body too large": (lambda c: send_zip(c, bytes(60_000)), 413, "body_too_large"),
    "no zip": (lambda c: send_zip(c, b"PK no zip"), 400, "bad_zip"),
    "a zip cut short": (lambda c: send_zip(c, PLAIN[:-10]), 400, "bad_zip"),
    "no bytes": (lambda c: send_zip(c, b""), 400, "bad_zip"),
    "an empty zip": (lambda c: send_zip(c, zipped()), 400, "missing_image"),
    "folders alone": (lambda c: send_zip(c, zipped(("a/", b""))), 400, "missing_image"),
    "another field": (lambda c: c.post(PATH, files={"file": b"x"}), 400, "missing_image"),
    "a single image": (lambda c: c.post(PATH, content=picture(1), headers={"content-type": "image/png"}),
                       415, "unsupported_type"),
    "a compressed zip": (lambda c: send_zip(c, PLAIN, **{"content-encoding": "gzip"}), 415,
                         "unsupported_type"),
    "no type": (lambda c: c.post(PATH, content=PLAIN), 415, "unsupported_type"),
    "bad top_k": (lambda c: send_form(c, ("", picture(1)), top_k="11"), 400, "bad_top_k"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_bad_request_is_refused_whole(client, name) -> None:
    send, status, code = REFUSED[name]

    response = send(client)

    assert (response.status_code, response.json()["error"]["code"]) == (status, code), response.text


@pytest.fixture
def slow(monkeypatch) -> list[bytes]:
    """Makes each image take a hundredth of a second; the list is of those begun, in order."""
    begun: list[bytes] = []
    classify = Engine.classify

    def slowly(self, served, data, **options):
        begun.append(data)
        time.sleep(0.01)
        return classify(self, served, data, **options)

    monkeypatch.setattr(Engine, "classify", slowly)
    return begun


@pytest.fixture
def patient(digits, slow) -> Iterator[InProcess]:
    with in_process(digits.workspace, threads=1, cache_megabytes=0) as client:
        yield client


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.001)


def test_a_single_image_comes_between_those_of_a_batch(patient, slow, monkeypatch) -> None:
    classify, workers = Engine.classify, patient.state.engine.workers

    def classify_when_it_waits(self, served, data, **options):
        if len(slow) == 4:
            wait_for(lambda: workers.pending > IMAGES_A_THREAD)  # no more are of the batch
        return classify(self, served, data, **options)

    monkeypatch.setattr(Engine, "classify", classify_when_it_waits)
    many = threading.Thread(target=send_form, args=(patient, *[("", picture(1))] * 40))
    many.start()
    wait_for(lambda: len(slow) == 4)
    patient.post("/v1/classify", content=picture(2), headers={"content-type": "image/png"})

    many.join()
    assert len(slow) == 41
    assert slow.index(picture(2)) <= 4 + IMAGES_A_THREAD


def test_a_client_that_leaves_stops_the_rest(patient, slow) -> None:
    body, sent = zipped(*((f"{level}.png", picture(level)) for level in range(60))), []
    headers = [(b"content-type", b"application/zip")]
    scope = {"type": "http", "method": "POST", "path": PATH, "query_string": b"", "headers": headers}

    async def receive():
        if not sent:
            sent.append(body)
            return {"type": "http.request", "body": body}
        if len(slow) < 5:
            await asyncio.sleep(60)  # until starlette stops asking
        return {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    patient.portal.call(patient.application, scope, receive, send)

    assert 5 <= len(slow) < 15


def test_a_full_queue_refuses_a_batch_and_what_is_left_of_one(patient, slow, monkeypatch) -> None:
    def refuse(*_):
        if len(slow) >= refused_after:
            raise RequestError(429, "overloaded", "try again in 1 s", headers={"retry-after": "1"})

    monkeypatch.setattr(Workers, "check_room", refuse)
    refused_after = 4
    begun = send_form(patient, *[("", picture(1))] * 12)
    whole = send_form(patient, ("", picture(1)))

    codes = [answer.get("error", {}).get("code") for answer in begun.json()["answers"]]
    assert codes[:2] == [None, None]
    assert (codes[-1], begun.status_code) == ("overloaded", 200)
    assert (whole.status_code, whole.headers["retry-after"]) == (429, "1")


def test_batches_beyond_those_that_fit_are_refused(patient) -> None:
    for _ in range(AT_ONCE):
        patient.portal.call(patient.state.batches.acquire)

    response = send_form(patient, ("", picture(1)))

    assert (response.status_code, response.json()["error"]["code"]) == (429, "overloaded")


def test_places_are_given_back_whatever_comes_of_a_batch(patient, slow) -> None:
    for _ in range(6):
        send_zip(patient, b"PK no zip")
        send_form(patient, ("", picture(1)))

    assert len(slow) == 6


def test_a_batch_that_takes_too_long_is_given_up(digits, slow) -> None:
    with in_process(digits.workspace, threads=1, answer_seconds=0.2) as client:
        response = send_form(client, *[("", picture(level)) for level in range(100)])

    assert (response.status_code, response.json()["error"]["code"]) == (504, "timeout")
    assert len(slow) < 30
