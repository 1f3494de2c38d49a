"""The Go back end as a service: the answers, errors and manners of the BentoML one."""

from __future__ import annotations

import base64
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from serving.answers import describe, named_classes
from serving.client import Sightline
from serving.schemas.answers import Classification, ErrorAnswer
from tests.infra.go_back_end import (
    NAMES,
    TOLERANCE,
    WAIT_SECONDS,
    Running,
    built_program,
    make_export,
    opened,
    serving,
)
from vision.classifier import ImageClassifier
from vision.golden import hostile_images


@pytest.fixture(scope="module")
def program() -> Path:
    return built_program()


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "7" / "saved_model"
    make_export(folder)
    return folder


@pytest.fixture(scope="module")
def classifier(export: Path) -> ImageClassifier:
    return opened(export)


@pytest.fixture(scope="module")
def service(program: Path, export: Path) -> Iterator[Running]:
    with serving(program, export.parents[1], SIGHTLINE_MODEL="digits") as running:
        yield running


@pytest.mark.slow
@pytest.mark.parametrize("name", ["noise.png", "gray16.png", "alpha.png", "cmyk.jpg", "exif_6.jpg"])
def test_go_answer_is_the_services(service, classifier, name) -> None:
    data = hostile_images()[name]
    judgement = classifier.judge(classifier.logits(classifier.preprocessing.apply(data)[None]))
    expected = describe(classifier, judgement, named_classes(classifier, judgement.probabilities[0]), 4)

    answer = service.classify(data)

    Classification.model_validate_json(answer.content)
    received = {key: answer.json()[key] for key in expected}
    assert (answer.json()["model"], answer.json()["version"]) == ("digits", 7)
    assert _rounded(received) == pytest.approx(_rounded(expected), abs=TOLERANCE)


def _rounded(answer: dict) -> dict:
    """Numbers by the names of what they are of; pytest.approx looks into no nested values."""
    numbers = {entry["name"]: entry["probability"] for entry in answer["classes"]}
    doubt = answer["uncertainty"]
    same = {"class": answer["class"], "task": answer["task"], "set": " ".join(doubt["prediction_set"])}
    same |= {key: doubt[key] for key in ("unusual", "abstain", "coverage")}
    return numbers | same | {"energy": doubt["energy"] / 10, "confidence": answer["confidence"]}


@pytest.mark.slow
def test_go_takes_every_kind_of_body_and_knows_the_image_again(service) -> None:
    data = hostile_images()["palette.png"]
    text = {"image": base64.b64encode(data).decode()}

    answers = [
        service.client.post("/v1/classify", files={"image": ("a.png", data)}),
        service.client.post("/v1/classify", json=text),
        service.classify(data),
    ]

    assert [answer.json()["cached"] for answer in answers] == [False, True, True]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"GIF89a", 415, "unsupported_image"),
        (b"", 400, "not_an_image"),
        (hostile_images()["noise.png"][:-40], 400, "not_an_image"),
        (hostile_images()["exif_1.jpg"][:-40], 400, "not_an_image"),
    ],
)
def test_go_errors_have_the_services_shape(service, data, status, code) -> None:
    answer = service.classify(data)

    assert answer.status_code == status
    assert ErrorAnswer.model_validate_json(answer.content).error.code == code


@pytest.mark.slow
def test_go_is_asked_by_our_client(service) -> None:
    with Sightline(service.url) as client:
        answer = client.classify(hostile_images()["noise.png"])

    assert answer.names[0] in NAMES and answer.uncertainty is not None and answer.uncertainty.coverage == 0.9


@pytest.mark.slow
def test_go_follows_new_versions_and_keeps_the_old_where_one_is_damaged(program, export, tmp_path) -> None:
    shutil.copytree(export, tmp_path / "1")
    with serving(program, tmp_path) as running:
        damaged = shutil.copytree(export, tmp_path / "damaged")
        (damaged / "1" / "saved_model.pb").write_bytes(b"altered")
        damaged.rename(tmp_path / "2")
        running.wait(lambda: "sightline_load_failures_total{" in running.client.get("/metrics").text)
        kept = running.classify(hostile_images()["noise.png"]).json()["version"]
        shutil.copytree(export, tmp_path / "coming")
        (tmp_path / "coming").rename(tmp_path / "3")

        running.wait(lambda: running.classify(hostile_images()["noise.png"]).json()["version"] == 3)

    assert kept == 1


@pytest.mark.slow
def test_go_loses_no_request_while_versions_change(program, export, tmp_path) -> None:
    shutil.copytree(export, tmp_path / "1")
    with serving(program, tmp_path, SIGHTLINE_CACHE_MEGABYTES=0) as running:
        data, versions = hostile_images()["noise.png"], set()
        shutil.copytree(export, tmp_path / "coming")
        (tmp_path / "coming").rename(tmp_path / "2")
        until = time.monotonic() + WAIT_SECONDS
        while 2 not in versions and time.monotonic() < until:
            answer = running.classify(data)
            assert answer.status_code == 200
            versions.add(answer.json()["version"])

    assert versions == {1, 2}


@pytest.mark.slow
def test_go_ends_without_a_failure_for_those_who_heed_readyz(program, export) -> None:
    with serving(program, export, SIGHTLINE_DRAIN_SECONDS=3, SIGHTLINE_CACHE_MEGABYTES=0) as running:
        ending, statuses = threading.Event(), []
        threads = [threading.Thread(target=_ask_until, args=(running, ending, statuses)) for _ in range(4)]
        for thread in threads:
            thread.start()
        running.process.send_signal(signal.SIGTERM)
        running.wait(lambda: not running.is_ready())
        ending.set()
        for thread in threads:
            thread.join()

        assert running.process.wait(30) == 0
    assert len(statuses) >= 4 and set(statuses) == {200}


def _ask_until(running: Running, ending: threading.Event, statuses: list[int]) -> None:
    data = hostile_images()["noise.png"]
    with httpx.Client(base_url=running.url, timeout=30, headers={"content-type": "image/x"}) as client:
        while not ending.is_set():
            statuses.append(client.post("/v1/classify", content=data).status_code)
        statuses.append(client.post("/v1/classify", content=data).status_code)  # one that comes late


@pytest.mark.slow
def test_go_refuses_to_start_with_settings_that_it_cannot_obey(program, export) -> None:
    environment = os.environ | {"SIGHTLINE_MODELS": str(export), "SIGHTLINE_KEYS_FILE": "keys.json"}
    done = subprocess.run([program], env=environment, capture_output=True, text=True, check=False, timeout=30)

    assert done.returncode == 2 and "SIGHTLINE_KEYS_FILE is set" in done.stderr
