"""The Python client: what it sends, what it makes of answers, and what it tries again."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import FrozenInstanceError
from pathlib import Path

import httpx
import numpy as np
import pytest

from registry.pointer import bundle_path
from serving.client import ClassProbability, Milliseconds, Model, Prediction, ServiceError, Sightline
from vision.classifier import ImageClassifier

ROOT = Path(__file__).resolve().parents[2]
ONE_CLASS = {
    "id": "9b1d", "model": "digits", "version": 3, "arm": "champion", "task": "multi_class",
    "class": "seven", "confidence": 0.75,
    "classes": [{"name": "seven", "probability": 0.75}, {"name": "one", "probability": 0.25}],
    "uncertainty": {
        "energy": -9.5, "unusual": False, "abstain": True, "prediction_set": ["seven", "one"], "coverage": 0.9
    },
    "cached": False,
    "milliseconds": {"queue": 0.1, "decode": 1, "infer": 2, "total": 3.5},
    "said_by_a_newer_service": {"a": [1]},
}  # fmt: skip
LABELS = ONE_CLASS | {
    "task": "multi_label", "labels": ["red", "blue"], "uncertainty": {"energy": -1.0, "unusual": True},
    "classes": [{"name": "red", "probability": 0.9, "present": True}],
}  # fmt: skip
del LABELS["class"], LABELS["confidence"]  # type: ignore[attr-defined]

Handler = Callable[[httpx.Request], httpx.Response]


def connect(handler: Handler, **options: object) -> tuple[Sightline, list[float]]:
    """A client whose requests go to the handler, and the pauses that it would have made."""
    client = Sightline("http://service", transport=httpx.MockTransport(handler), **options)
    pauses: list[float] = []
    client._retrying.sleep = pauses.append
    return client, pauses


def answering(*answers: httpx.Response | Exception) -> tuple[Handler, list[httpx.Request]]:
    """A handler that gives these answers in turn, and the requests that it saw."""
    seen: list[httpx.Request] = []
    following: Iterator[httpx.Response | Exception] = iter(answers)

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        answer = next(following)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return handle, seen


def refusal(status: int, code: str = "a_code", **headers: str) -> httpx.Response:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, json={"error": {"code": code, "message": "a reason"}}, headers=names)


def test_image_is_sent_as_it_is_with_the_key(tmp_path) -> None:
    handler, seen = answering(*(httpx.Response(200, json=ONE_CLASS) for _ in range(3)))
    client, _ = connect(handler, api_key="sl_secret")
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8 a file")

    client.classify(tmp_path / "a.jpg")
    client.classify(str(tmp_path / "a.jpg"), top_k=2)
    client.classify(b"bytes", model="a/b")

    assert [request.content for request in seen] == [b"\xff\xd8 a file"] * 2 + [b"bytes"]
    assert [request.url.raw_path.decode() for request in seen] == [
        "/v1/classify", "/v1/classify?top_k=2", "/v1/models/a%2Fb/classify"
    ]  # fmt: skip
    assert {request.headers["authorization"] for request in seen} == {"Bearer sl_secret"}
    assert {request.headers["content-type"] for request in seen} == {"application/octet-stream"}


def test_answer_becomes_a_frozen_value() -> None:
    client, _ = connect(answering(httpx.Response(200, json=ONE_CLASS))[0])

    answer = client.classify(b"")

    assert (answer.class_name, answer.names, answer.confidence) == ("seven", ("seven",), 0.75)
    assert answer.classes == (ClassProbability("seven", 0.75), ClassProbability("one", 0.25))
    assert answer.uncertainty is not None
    assert (answer.uncertainty.abstain, answer.uncertainty.prediction_set) == (True, ("seven", "one"))
    assert answer.milliseconds == Milliseconds(queue=0.1, decode=1, infer=2, total=3.5)
    with pytest.raises(FrozenInstanceError):
        answer.version = 4  # type: ignore[misc]


def test_labels_of_a_multi_label_answer() -> None:
    client, _ = connect(answering(httpx.Response(200, json=LABELS))[0])

    answer = client.classify(b"")

    assert (answer.class_name, answer.names) == (None, ("red", "blue"))
    assert answer.classes == (ClassProbability("red", 0.9, present=True),)
    assert answer.uncertainty is not None
    assert (answer.uncertainty.unusual, answer.uncertainty.abstain) == (True, None)


def test_what_passes_is_tried_again_after_growing_pauses() -> None:
    handler, seen = answering(
        refusal(429, retry_after="2"), refusal(503), refusal(504), httpx.ConnectError("refused"),
        httpx.ReadTimeout("late"), httpx.RemoteProtocolError("closed"), httpx.Response(200, json=ONE_CLASS),
    )  # fmt: skip
    client, pauses = connect(handler)

    assert client.classify(b"image").class_name == "seven"
    assert [request.content for request in seen] == [b"image"] * 7
    bounds = [(2, 2.2), (0, 0.4), (0, 0.8), (0, 1.6), (0, 3.2), (0, 5)]
    assert all(low <= pause <= high for pause, (low, high) in zip(pauses, bounds, strict=True))
    assert len(set(pauses)) == 6


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 408, 413, 415, 422, 500, 502])
def test_other_errors_are_not_tried_again(status) -> None:
    handler, seen = answering(refusal(status))
    client, _ = connect(handler)

    with pytest.raises(ServiceError, match="a reason") as caught:
        client.classify(b"")

    assert (caught.value.code, caught.value.message, caught.value.status) == ("a_code", "a reason", status)
    assert len(seen) == 1


@pytest.mark.parametrize("failure", [httpx.UnsupportedProtocol("ftp"), httpx.LocalProtocolError("header")])
def test_a_wrong_request_is_not_tried_again(failure) -> None:
    handler, seen = answering(failure)
    client, _ = connect(handler)

    with pytest.raises(ServiceError, match=r"http://service/v1/models") as caught:
        client.models()

    assert (caught.value.code, caught.value.status, len(seen)) == ("unreachable", None, 1)


@pytest.mark.parametrize("retry_after", ["60", "9" * 400])
def test_patience_ends_before_a_pause_that_is_longer(retry_after) -> None:
    handler, seen = answering(refusal(429, "overloaded", retry_after=retry_after))
    client, pauses = connect(handler, patience=5)

    with pytest.raises(ServiceError) as caught:
        client.classify(b"")

    assert (caught.value.code, caught.value.status) == ("overloaded", 429)
    assert (len(seen), pauses) == (1, [])


NO_ANSWERS = {
    "a page of a proxy": httpx.Response(200, text="<html>"),
    "another service": httpx.Response(200, json={"status": "ok"}),
    "a list": httpx.Response(200, json=[]),
    "a field too few": httpx.Response(200, json={**ONE_CLASS, "milliseconds": {}}),
    "a refusal in HTML": httpx.Response(500, text="<html>" + "x" * 1000),
    "a refusal in JSON": httpx.Response(500, json={"detail": "no"}),
    "nothing": httpx.Response(200),
}


@pytest.mark.parametrize("name", NO_ANSWERS)
def test_what_is_not_our_answer_is_an_error_with_its_beginning(name) -> None:
    client, _ = connect(answering(NO_ANSWERS[name])[0])

    with pytest.raises(ServiceError) as caught:
        client.classify(b"")

    assert (caught.value.code, caught.value.status) == ("unexpected_answer", NO_ANSWERS[name].status_code)
    assert len(caught.value.message) < 400


def numbered(request: httpx.Request) -> httpx.Response:
    """An answer whose version is the number that was sent; number 3 is refused, the even ones are slow."""
    number = int(request.content)
    time.sleep(0.02 * (number % 2 == 0))
    return (
        refusal(400, "not_an_image")
        if number == 3
        else httpx.Response(200, json={**ONE_CLASS, "version": number})
    )


def test_many_are_answered_in_order_with_errors_in_their_places() -> None:
    client, _ = connect(numbered)

    outcomes = list(client.classify_many((b"%d" % number for number in range(1, 30)), at_once=4))

    assert [outcome.version for outcome in outcomes if isinstance(outcome, Prediction)] == [
        1,
        2,
        *range(4, 30),
    ]
    assert isinstance(outcomes[2], ServiceError)
    assert outcomes[2].code == "not_an_image"


def test_many_are_taken_as_they_are_needed_and_few_at_a_time() -> None:
    now, most, lock = 0, 0, threading.Lock()

    def handle(request: httpx.Request) -> httpx.Response:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.01)
        with lock:
            now -= 1
        return httpx.Response(200, json=ONE_CLASS)

    taken = itertools.count()
    images = (b"%d" % number for number in taken)
    first = list(itertools.islice(connect(handle)[0].classify_many(images, at_once=3), 5))

    assert len(first) == 5
    assert most == 3
    assert next(taken) <= 5 + 2 * 3


def test_many_with_a_missing_file_end_with_its_error(tmp_path) -> None:
    client, _ = connect(numbered)

    with pytest.raises(FileNotFoundError):
        list(client.classify_many([b"1", tmp_path / "none.jpg"]))


def test_feedback_names_the_right_class_or_labels() -> None:
    handler, seen = answering(
        *(httpx.Response(202, json={"id": "a", "right": right}) for right in (True, False))
    )
    client, _ = connect(handler)

    assert client.feedback("a", "seven") is True
    assert client.feedback("b", ["red", "blue"], comment="dark") is False

    assert [json.loads(request.content) for request in seen] == [
        {"id": "a", "label": "seven"},
        {"id": "b", "labels": ["red", "blue"], "comment": "dark"},
    ]


def test_explanation_is_a_picture_of_a_named_class() -> None:
    headers = {"x-sightline-class": "caf%C3%A9", "x-sightline-method": "recipro_cam"}
    handler, seen = answering(httpx.Response(200, content=b"\x89PNG", headers=headers))

    shown = connect(handler)[0].explain(b"image", class_name="café")

    assert (shown.png, shown.class_name, shown.method) == (b"\x89PNG", "café", "recipro_cam")
    assert seen[0].url.params["class"] == "café"


def test_models_are_listed_as_the_service_does() -> None:
    digits = {
        "name": "digits",
        "version": 3,
        "task": "multi_class",
        "class_names": ["one", "two"],
        "loaded": True,
    }
    handler, seen = answering(httpx.Response(200, json=[digits]))

    models = connect(handler)[0].models()

    assert models == (Model("digits", 3, "multi_class", ("one", "two")),)
    assert (seen[0].method, seen[0].url.path) == ("GET", "/v1/models")


def test_client_imports_nothing_of_ours_and_no_numpy() -> None:
    code = (
        "import sys, serving.client\n"
        "ours = ('vision', 'registry', 'serving', 'numpy', 'pydantic', 'starlette', 'bentoml')\n"
        "print(sorted(name for name in sys.modules if name.partition('.')[0] in ours))"
    )

    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "['serving', 'serving.client', 'serving.client.results']"


def test_client_waits_for_a_real_service_and_answers_as_the_champion(
    registry, start_service, encoded
) -> None:
    registry.promote(1)
    champion = ImageClassifier.load(bundle_path(registry.workspace, "digits", 1))
    service = start_service(SIGHTLINE_HOME=registry.workspace.root)
    names = ["photo.jpg", "gray16.png", "exif_6.jpg"]

    with Sightline(f"http://127.0.0.1:{service.port}", transport=httpx.HTTPTransport()) as client:
        answers = list(client.classify_many(encoded[name] for name in names))  # nobody listens yet
        with pytest.raises(ServiceError) as caught:
            client.classify(b"no image")

    for name, answer in zip(names, answers, strict=True):
        assert isinstance(answer, Prediction), answer
        probabilities = champion.classify(encoded[name])
        assert answer.class_name == champion.class_names[int(probabilities.argmax())]
        assert np.float32(answer.confidence) == probabilities.max()
    assert (caught.value.code, caught.value.status) == ("not_an_image", 400)
