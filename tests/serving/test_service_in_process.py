"""The service without a socket: BentoML's own ASGI application, asked directly."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import httpx
import numpy as np
import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate

from registry.pointer import bundle_path
from serving.schemas.answers import Classification, ErrorAnswer, OneClass, SeveralLabels
from vision.classifier import ImageClassifier
from vision.uncertainty.rules import SetRule, Uncertainty

Ask = Callable[..., list[httpx.Response]]
RAW = {"content-type": "image/png"}


@pytest.fixture
def ask(registry, monkeypatch) -> Ask:
    """Sends requests, one after the other, to a service of the registry's workspace."""

    def ask(*requests: httpx.Request, ready: bool = True, **variables: str) -> list[httpx.Response]:
        monkeypatch.setenv("SIGHTLINE_HOME", str(registry.workspace.root))
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return asyncio.run(_converse(requests, ready))

    return ask


async def _converse(requests, ready) -> list[httpx.Response]:
    from serving.service import Sightline

    application = Sightline.to_asgi()
    transport = httpx.ASGITransport(application, raise_app_exceptions=False)
    async with (
        application.router.lifespan_context(application),
        httpx.AsyncClient(transport=transport, base_url="http://sightline") as client,
    ):
        until = time.monotonic() + 10
        while ready and (await client.get("/readyz")).status_code != 200:
            assert time.monotonic() < until
            await asyncio.sleep(0.02)
        return [await client.send(request) for request in requests]


def post(data: bytes, path: str = "/v1/classify") -> httpx.Request:
    return httpx.Request("POST", f"http://sightline{path}", content=data, headers=RAW)


def get(path: str) -> httpx.Request:
    return httpx.Request("GET", f"http://sightline{path}")


def test_answer_is_the_champions(ask, registry, encoded) -> None:
    registry.promote(1)
    champion = ImageClassifier.load(bundle_path(registry.workspace, "digits", 1))

    [response] = ask(post(encoded["cmyk.jpg"], "/v1/classify?top_k=10"))

    answer = Classification.model_validate_json(response.content).root
    assert answer.task == "multi_class"
    received = {entry.name: np.float32(entry.probability) for entry in answer.classes}
    assert received == dict(zip(champion.class_names, champion.classify(encoded["cmyk.jpg"]), strict=True))


def test_answer_has_the_doubt_of_the_bundles_rules(ask, registry, encoded, monkeypatch) -> None:
    rules = Uncertainty(
        sets=SetRule(method="lac", coverage=0.9, limits=(0.999,)),
        target_error=0.01,
        abstain_below=1.1,
        unusual_above=-100.0,
    )
    doubting = replace(registry, uncertainty=rules)
    doubting.promote(1)
    champion = ImageClassifier.load(bundle_path(registry.workspace, "digits", 1))
    probabilities = champion.classify(encoded["photo.jpg"])

    [response] = ask(post(encoded["photo.jpg"]))

    doubt = OneClass.model_validate_json(response.content).uncertainty
    assert doubt is not None
    assert (doubt.abstain, doubt.unusual, doubt.coverage) == (True, True, 0.9)
    likeliest = np.argsort(-probabilities, kind="stable")
    assert doubt.prediction_set == [champion.class_names[k] for k in likeliest if probabilities[k] >= 0.001]


def test_answer_of_a_bundle_without_rules_says_so(ask, registry, encoded) -> None:
    registry.promote(1)

    [response] = ask(post(encoded["photo.jpg"]))

    assert response.json()["uncertainty"] is None


def test_not_ready_has_the_reason(ask, encoded) -> None:
    answers = ask(get("/livez"), get("/readyz"), post(encoded["noise.png"]), ready=False)

    assert [response.status_code for response in answers] == [200, 503, 503]
    assert [ErrorAnswer.model_validate_json(r.content).error.code for r in answers[1:]] == ["not_ready"] * 2


def test_two_champions_ask_for_the_models_name(ask, registry, make_registry) -> None:
    registry.promote(1)
    type(registry)(registry.workspace, "flowers").promote(2)

    [asked] = ask(get("/readyz"), ready=False)
    [told] = ask(get("/metrics"), SIGHTLINE_MODEL="flowers")

    assert asked.status_code == 503
    assert 'sightline_served_version{arm="champion",model="flowers"} 2.0' in told.text


def test_a_fault_of_ours_is_an_answer_without_its_cause(ask, registry, encoded, monkeypatch) -> None:
    registry.promote(1)
    monkeypatch.setattr("serving.routes.classify.describe", lambda *_: 1 / 0)

    [response, metrics] = ask(post(encoded["noise.png"]), get("/metrics"))

    assert response.status_code == 500
    assert ErrorAnswer.model_validate_json(response.content).error.code == "internal_error"
    assert "division" not in response.text
    assert 'sightline_requests_total{route="/v1/classify",status="500"} 1.0' in metrics.text


def test_an_answer_that_takes_too_long_is_given_up(ask, registry, encoded, monkeypatch) -> None:
    registry.promote(1)
    monkeypatch.setattr("serving.routes.classify.take_image", lambda *_: time.sleep(0.3) or b"")

    [response] = ask(post(encoded["noise.png"]), SIGHTLINE_ANSWER_SECONDS="0.05")

    assert (response.status_code, response.json()["error"]["code"]) == (504, "timeout")


@pytest.fixture
def labelling(registry) -> ImageClassifier:
    """Version 1 of digits, which gives an image any number of labels: every second one never."""
    replace(registry, task="multi_label", thresholds=(0.5, 1.0) * 5).promote(1)
    return ImageClassifier.load(bundle_path(registry.workspace, "digits", 1))


def test_several_labels_are_those_that_reach_their_threshold(ask, labelling, encoded) -> None:
    probabilities = labelling.classify(encoded["photo.jpg"])
    likely = [k for k in np.argsort(-probabilities) if k % 2 == 0 and probabilities[k] >= 0.5]

    [response] = ask(post(encoded["photo.jpg"], "/v1/classify?top_k=10"))

    answer = SeveralLabels.model_validate_json(response.content)
    assert answer.labels == [labelling.class_names[k] for k in likely]
    assert len(likely) > 1  # else this test shows nothing
    received = {entry.name: np.float32(entry.probability) for entry in answer.classes}
    assert received == dict(zip(labelling.class_names, probabilities, strict=True))
    assert {entry.name for entry in answer.classes if entry.present} == set(answer.labels)


def test_labels_are_all_named_however_few_classes_are_listed(ask, labelling, encoded) -> None:
    few, all_of_them = ask(*(post(encoded["photo.jpg"], f"/v1/classify?top_k={count}") for count in (1, 10)))

    assert few.json()["labels"] == all_of_them.json()["labels"]
    assert few.json()["classes"] == all_of_them.json()["classes"][:1]


def test_every_label_of_an_image_is_counted(ask, labelling, encoded) -> None:
    response, metrics = ask(post(encoded["photo.jpg"]), get("/metrics"))

    counted = set(re.findall(r'sightline_predictions_total\{arm="champion",class_name="(\w*)"', metrics.text))
    assert counted == set(response.json()["labels"])


def test_an_image_without_any_label_is_an_answer_and_is_counted(ask, registry, encoded) -> None:
    replace(registry, task="multi_label", thresholds=(1.0,) * 10).promote(1)

    response, metrics = ask(post(encoded["photo.jpg"]), get("/metrics"))

    assert SeveralLabels.model_validate_json(response.content).labels == []
    assert (
        'sightline_predictions_total{arm="champion",class_name="",model="digits",version="1"} 1.0'
        in metrics.text
    )


@pytest.mark.parametrize("task", ["multi_class", "multi_label"])
def test_openapi_is_valid_and_describes_the_answer(ask, registry, encoded, task) -> None:
    replace(registry, task=task).promote(1)

    described, answer = (
        response.json() for response in ask(get("/openapi.json"), post(encoded["photo.jpg"]))
    )

    validate(described)
    schema = {"$ref": "#/components/schemas/Classification", "components": described["components"]}
    OAS31Validator(schema).validate(answer)
    assert answer["task"] == task
    assert not OAS31Validator(schema).is_valid(answer | {"task": "another"})


FORBIDDEN = ("tensorflow", "keras", "zenml", "mlflow", "great_expectations", "pandas", "sklearn", "nncf")


def test_serving_imports_nothing_of_training(registry) -> None:
    registry.promote(1)
    folder = bundle_path(registry.workspace, "digits", 1)
    program = (
        "import sys; from pathlib import Path; from serving.service import Sightline;"
        "Sightline.to_asgi(); from registry.bundles import load_bundle; load_bundle(Path(sys.argv[1]));"
        f"sys.exit(', '.join(name for name in {FORBIDDEN} if name in sys.modules))"
    )

    done = subprocess.run([sys.executable, "-c", program, folder], capture_output=True, text=True)

    assert done.stderr.strip() == ""
