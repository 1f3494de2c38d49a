"""POST /v1/feedback: what is taken, what is refused, who is told."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from openapi_schema_validator import OAS31Validator

from registry.predictions import new_prediction_id, read_predictions
from registry.workspace import Workspace
from serving.answers import RequestError, error_response
from serving.observers import prediction_log
from serving.observers.feedback import FeedbackDesk
from serving.observers.prediction_log import PredictionLog
from serving.routes import feedback
from serving.schemas.feedback import MAX_COMMENT
from serving.settings import Settings
from serving.workers import Workers
from tests.serving.made_answers import make_answer, make_served


class Told:
    """A FeedbackObserver."""

    def __init__(self) -> None:
        self.of: list[tuple[int, str, bool]] = []

    def judged(self, pointer, arm, right) -> None:
        self.of.append((pointer.version, arm, right))


class Service:
    """The route, with a log in a workspace; `restart` forgets what is in memory."""

    def __init__(self, home: Workspace) -> None:
        self.home, self.told = home, Told()
        self.app = FastAPI()
        self.app.include_router(feedback.router)
        self.app.add_exception_handler(RequestError, error_response)  # type: ignore[arg-type]
        workers = Workers(1, queue=4, answer_seconds=30)
        self.app.state.engine = SimpleNamespace(settings=Settings(), workers=workers)
        self._start()

    def _start(self) -> None:
        self.log = PredictionLog(self.home, megabytes=1, count=lambda event, amount: None)
        self.desk = self.app.state.feedback = FeedbackDesk(self.log, [self.told])
        self.log.start()

    def restart(self) -> None:
        self.log.close()
        self._start()

    def answer(self, *names: str, task="multi_class", **served: Any) -> str:
        """The id of an answer that a client was given."""
        answer = make_answer(make_served(task=task, **served), names)
        for observer in (self.log, self.desk):
            observer.classified(answer, b"image")
        return answer.id

    def send(self, content: Any, **headers: str) -> httpx.Response:
        return asyncio.run(self._send(content, {"content-type": "application/json"} | headers))

    def say(self, **fields: Any) -> httpx.Response:
        return self.send(json.dumps(fields).encode())

    async def _send(self, content: Any, headers: dict[str, str]) -> httpx.Response:
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://sightline") as client:
            return await client.post("/v1/feedback", content=content, headers=headers)

    def rows(self) -> list[dict[str, Any]]:
        self.restart()
        return read_predictions(self.home, "grocery").to_pylist()


@pytest.fixture
def service(tmp_path, monkeypatch):
    monkeypatch.setattr(prediction_log, "TICK_SECONDS", 0.01)
    service = Service(Workspace(tmp_path / "workspace"))
    yield service
    service.log.close()
    service.app.state.engine.workers.close()


def code(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


@pytest.mark.parametrize(("label", "right"), [("Käse", True), ("ミルク", False)])
def test_feedback_is_compared_kept_and_told(service, label, right) -> None:
    prediction = service.answer("Käse")

    response = service.say(id=prediction, label=label, comment="von Hand")

    assert (response.status_code, response.json()) == (202, {"id": prediction, "right": right})
    assert service.told.of == [(3, "champion", right)]
    [row] = service.rows()
    assert (row["truth"], row["right"], row["comment"]) == ([label], right, "von Hand")


def test_the_challengers_answers_are_judged_as_its_own(service) -> None:
    prediction = service.answer("Käse", arm="challenger", version=4, digest="e" * 64)

    service.say(id=prediction, label="Milch")

    assert service.told.of == [(4, "challenger", False)]


def test_the_last_word_counts_and_observers_hear_the_first(service) -> None:
    prediction = service.answer("Käse")
    for label in ("Milch", "Milch", "Käse"):
        assert service.say(id=prediction, label=label).status_code == 202

    assert service.told.of == [(3, "champion", False)]
    [row] = service.rows()
    assert (row["truth"], row["right"]) == (["Käse"], True)


@pytest.mark.parametrize(
    ("names", "labels", "right"),
    [(["Milch", "Käse"], ["Käse", "Milch"], True), (["Milch"], [], False), ([], [], True)],
)
def test_labels_are_compared_as_a_set(service, names, labels, right) -> None:
    prediction = service.answer(*names, task="multi_label")

    assert service.say(id=prediction, labels=labels).json()["right"] == right
    [row] = service.rows()
    assert (row["truth"], row["right"]) == (labels, right)


def test_an_answer_of_before_a_restart_is_found_in_the_files(service) -> None:
    prediction = service.answer("Käse", task="multi_label", version=7)
    service.restart()

    assert code(service.say(id=prediction, labels=["Brot"])) == (400, "unknown_class")
    assert service.say(id=prediction, labels=["Käse"]).json()["right"] is True
    assert service.told.of == [(7, "champion", True)]
    assert service.rows()[0]["truth"] == ["Käse"]


@pytest.mark.parametrize(
    "prediction",
    [new_prediction_id(), uuid.uuid4().hex, "0" * 32, "f" * 32],
    ids=["ours", "foreign", "lowest", "highest"],
)
def test_an_answer_that_nobody_was_given_is_not_found(service, prediction) -> None:
    service.answer("Käse")
    service.restart()

    assert code(service.say(id=prediction, label="Käse")) == (404, "unknown_prediction")


def test_a_shadows_answer_cannot_be_judged(service) -> None:
    prediction = service.answer("Käse", arm="shadow", version=4, digest="e" * 64)

    assert service.say(id=prediction, label="Käse").status_code == 404
    service.restart()
    assert service.say(id=prediction, label="Käse").status_code == 404


@pytest.mark.parametrize(
    ("task", "fields", "expected"),
    [
        ("multi_class", {"label": "Brot"}, "unknown_class"),
        ("multi_class", {"label": "käse"}, "unknown_class"),
        ("multi_class", {"labels": ["Käse"]}, "bad_feedback"),
        ("multi_label", {"label": "Käse"}, "bad_feedback"),
        ("multi_label", {"labels": ["Käse", "Brot"]}, "unknown_class"),
    ],
)
def test_labels_that_the_model_cannot_give_are_refused(service, task, fields, expected) -> None:
    prediction = service.answer("Käse", task=task)

    assert code(service.say(id=prediction, **fields)) == (400, expected)
    assert not service.told.of
    assert service.rows()[0]["truth"] is None


ID = "0" * 32


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"{}",
        b"\xff\xfe{}",
        b"[" * 60_000,
        b'{"id": ' + b"1" * 60_000 + b"}",
        json.dumps({"id": ID}).encode(),
        json.dumps({"label": "a"}).encode(),
        json.dumps({"id": ID, "label": "a", "labels": ["a"]}).encode(),
        json.dumps({"id": ID, "label": 1}).encode(),
        json.dumps({"id": ID, "label": ""}).encode(),
        json.dumps({"id": ID, "labels": "a"}).encode(),
        json.dumps({"id": ID, "labels": [None]}).encode(),
        json.dumps({"id": ID, "label": "a", "right": True}).encode(),
        json.dumps({"id": ID, "label": "\ud800"}).encode(),
        json.dumps({"id": ID, "label": "a", "comment": "\ud800"}).encode(),
        json.dumps({"id": ID, "label": "a", "comment": "x" * (MAX_COMMENT + 1)}).encode(),
        *(
            json.dumps({"id": received, "label": "a"}).encode()
            for received in ("", "0" * 31, "0" * 33, "A" * 32, "../" + "0" * 29, ID + "\n", "٠" * 32, None, 7)
        ),
    ],
)
def test_a_malformed_body_is_refused_in_few_words(service, body) -> None:
    response = service.send(body)

    assert code(response) == (400, "bad_feedback")
    assert len(response.text) < 500


def test_a_comment_may_have_any_character(service) -> None:
    prediction = service.answer("Käse")

    assert service.say(id=prediction, label="Käse", comment="\0 '; DROP <b>\n 🧀").status_code == 202
    assert service.rows()[0]["comment"] == "\0 '; DROP <b>\n 🧀"


async def endless() -> AsyncIterator[bytes]:
    while True:
        yield b" " * 10_000


@pytest.mark.parametrize("body", [b" " * (64 * 1024 + 1), endless()])
def test_a_large_body_is_refused(service, body) -> None:
    assert code(service.send(body)) == (413, "body_too_large")


@pytest.mark.parametrize("received", ["text/plain", "image/png", "multipart/form-data; boundary=x"])
def test_another_content_type_is_refused(service, received) -> None:
    assert code(service.send(b"{}", **{"content-type": received})) == (415, "unsupported_type")


def test_feedback_that_would_be_lost_is_refused(service, monkeypatch) -> None:
    prediction = service.answer("Käse")
    monkeypatch.setattr(prediction_log, "QUEUE_ROWS", 0)

    response = service.say(id=prediction, label="Käse")

    assert code(response) == (429, "overloaded")
    assert response.headers["retry-after"] == "1"
    assert not service.told.of


def test_many_classes_are_not_all_listed(service, monkeypatch) -> None:
    monkeypatch.setattr("serving.observers.feedback.NAMED", 2)
    response = service.say(id=service.answer("Käse"), label="Brot")

    assert response.json()["error"]["message"] == '"Brot" is no class of grocery: choose of Milch, Käse, ...'


def test_without_a_log_there_is_no_feedback(service) -> None:
    del service.app.state.feedback

    assert code(service.say(id=ID, label="a")) == (404, "feedback_off")


def test_memory_of_recent_answers_is_bounded(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("serving.observers.feedback.RECENT", 2)
    desk = FeedbackDesk(PredictionLog(Workspace(tmp_path), megabytes=1, count=lambda *_: None))
    answers = [make_answer() for _ in range(3)]
    for answer in answers:
        desk.classified(answer, b"")

    assert [desk.recent(answer.id) is not None for answer in answers] == [False, True, True]


def test_openapi_describes_request_and_answer(service) -> None:
    described = service.app.openapi()["paths"]["/v1/feedback"]["post"]
    request = OAS31Validator(described["requestBody"]["content"]["application/json"]["schema"])

    assert request.is_valid({"id": ID, "label": "a"})
    assert not request.is_valid({"id": "x", "label": "a"})
    assert {"202", "400", "413", "415", "429"} <= described["responses"].keys()
