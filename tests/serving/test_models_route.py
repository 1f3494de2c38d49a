"""/v1/models over HTTP, in process: the API's own handlers, a fleet that is refreshed by hand."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import httpx
import pytest
from fastapi import FastAPI
from openapi_spec_validator import validate

from registry.bundles import store_bundle
from registry.pointer import ChampionPointer, bundle_path, pointer_path, write_pointer
from registry.traffic import Traffic, write_traffic
from serving.api import app as api
from serving.engine import Engine
from serving.observers.metrics import Metrics
from serving.received.url_image import UrlImages
from serving.routes import models
from serving.schemas.models import ModelCard, Models
from serving.settings import Settings
from serving.versions.champion import RegistrySource, model_bytes
from serving.versions.fleet import Fleet
from serving.workers import Workers
from vision.classifier import ImageClassifier

IMAGE = {"content-type": "application/octet-stream"}
LINEAGE = {
    "classifier_digest": "c" * 64,
    "config_digest": "f" * 64,
    "data_revision": "d" * 64,
    "git_commit": "unknown",
    "parent": 2,
    "run_id": "r1",
    "weights": "mobilenet.weights.h5 sha256:ab",
    "weights_licence": "Apache-2.0",
    "note": "/home/somebody/images",
}


@pytest.fixture
def ask(registry):
    """Sends requests, one after the other, to a service of the registry whose default model is digits."""

    def ask(*requests: tuple[str, str] | tuple[str, str, bytes]) -> list[httpx.Response]:
        settings, metrics = Settings(), Metrics()
        source = RegistrySource(registry.workspace, "digits")
        fleet = Fleet.from_settings(settings, source, metrics)
        workers = Workers(2, queue=8, answer_seconds=10)
        app = FastAPI(exception_handlers=api.exception_handlers)
        app.include_router(models.router)
        app.state.engine = Engine(settings, fleet, metrics, workers)
        app.state.url_images = UrlImages.from_settings(settings)
        fleet.refresh()
        try:
            return asyncio.run(_converse(app, requests))
        finally:
            fleet.close()
            workers.close()

    return ask


async def _converse(app, requests) -> list[httpx.Response]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sightline") as client:
        return [
            await client.request(method, path, content=b"".join(body), headers=IMAGE)
            for method, path, *body in requests
        ]


@pytest.fixture
def flowers(registry) -> ChampionPointer:
    """Version 4 of flowers, of which bundle.json says all that a registered one's does; and digits."""
    registry.promote(1)
    classifier = ImageClassifier.load(bundle_path(registry.workspace, "digits", 1))
    description = {
        "lineage": LINEAGE,
        "metrics": {"accuracy": {"value": 0.9, "low": 0.8, "high": 0.95}},
        "compression": {"rows": [{"failure": "/home/somebody/failed"}]},
    }
    digest = store_bundle(registry.workspace, "flowers", 4, classifier, samples={}, description=description)
    pointer = ChampionPointer("flowers", 4, digest)
    write_pointer(registry.workspace, pointer)
    return pointer


def challenge(registry, **options) -> None:
    rule = Traffic(**vars(registry.store(2)), since="2026-01-01T00:00:00+00:00", **options)
    write_traffic(registry.workspace, rule)


def test_every_model_is_listed_the_default_first(ask, registry, flowers) -> None:
    replace(registry, model="aaa").promote(7)

    [response] = ask(("GET", "/v1/models"))

    listed = Models.model_validate_json(response.content).root
    told = [(model.name, model.version, model.default, model.loaded) for model in listed]
    assert told == [("digits", 1, True, True), ("aaa", 7, False, False), ("flowers", 4, False, False)]
    assert (listed[0].task, listed[0].image_size) == ("multi_class", (8, 8))
    assert (listed[0].runtime, listed[0].precision) == ("openvino", "float32")
    assert listed[0].class_names[6:] == ["siks", "seven", "eight", "nueve"]
    assert "metrics" not in response.json()[0]  # those are the card's


def test_a_model_tells_its_challenger_and_the_share_of_now(ask, registry) -> None:
    registry.promote(1)
    # Begun long ago: its last step is on.
    challenge(registry, share=0.1, steps=(0.25, 0.5), step_minutes=10)

    [response] = ask(("GET", "/v1/models"))

    challenger = Models.model_validate_json(response.content).root[0].challenger
    assert (challenger.version, challenger.loaded, challenger.mode) == (2, True, "split")
    assert (challenger.share, challenger.steps) == (0.5, [0.25, 0.5])


def test_a_model_that_is_not_loaded_tells_its_challenger_too(ask, registry, flowers) -> None:
    rule = Traffic(**vars(flowers), mode="shadow", since="2026-01-01T00:00:00+00:00")
    write_traffic(registry.workspace, rule)

    [response] = ask(("GET", "/v1/models/flowers"))

    challenger = ModelCard.model_validate_json(response.content).challenger
    assert (challenger.version, challenger.loaded, challenger.mode) == (4, False, "shadow")


def test_a_card_has_metrics_and_origin_and_no_path(ask, registry, flowers) -> None:
    [response] = ask(("GET", "/v1/models/flowers"))

    card = ModelCard.model_validate_json(response.content)
    assert card.metrics["accuracy"].model_dump() == {"value": 0.9, "low": 0.8, "high": 0.95}
    assert (card.lineage.weights_licence, card.lineage.parent) == ("Apache-2.0", 2)
    folder = bundle_path(registry.workspace, "flowers", 4)
    assert (card.digest, card.size_bytes) == (flowers.digest, model_bytes(folder))
    assert "/home" not in response.text
    assert str(registry.workspace.root) not in response.text


def test_a_card_of_a_bundle_that_says_little_is_a_card(ask, registry) -> None:
    registry.promote(1)

    [response] = ask(("GET", "/v1/models/digits"))

    card = ModelCard.model_validate_json(response.content)
    assert (card.metrics, card.lineage, card.challenger) == ({}, None, None)


def test_a_model_answers_by_its_name_and_is_loaded_then(ask, registry, flowers, encoded) -> None:
    photo = encoded["photo.jpg"]
    before, answer, after = ask(
        ("GET", "/v1/models/flowers"),
        ("POST", "/v1/models/flowers/classify?top_k=1", photo),
        ("GET", "/v1/models/flowers"),
    )

    expected = ImageClassifier.load(bundle_path(registry.workspace, "flowers", 4)).classify(photo)
    told = answer.json()
    assert (told["model"], told["version"], told["arm"]) == ("flowers", 4, "champion")
    assert [entry["probability"] for entry in told["classes"]] == [pytest.approx(expected.max(), rel=1e-6)]
    assert (before.json()["loaded"], after.json()["loaded"]) == (False, True)


def test_a_bad_image_is_refused_as_by_classify(ask, registry) -> None:
    registry.promote(1)

    [response] = ask(("POST", "/v1/models/digits/classify", b"no image"))

    assert (response.status_code, response.json()["error"]["code"]) == (400, "not_an_image")


NO_MODELS = ("tulips", "%2e%2e", "..%2fregistry", "%2e%2e%2f%2e%2e%2fetc", "a%2fb", "%00", "%ff", "x" * 3000)


def test_no_name_leads_out_of_the_registry(ask, registry, encoded) -> None:
    registry.promote(1)
    cards = [("GET", f"/v1/models/{name}") for name in NO_MODELS]
    images = [("POST", f"/v1/models/{name}/classify", encoded["noise.png"]) for name in NO_MODELS]

    for response in ask(*cards, *images):
        assert response.status_code == 404, response.url
        assert response.json()["error"]["code"] in ("unknown_model", "not_found")
        assert str(registry.workspace.root) not in response.text


def test_a_damaged_model_is_left_out_and_says_so_when_asked(ask, registry, flowers) -> None:
    (bundle_path(registry.workspace, "flowers", 4) / "bundle.json").write_text('{"task": 1}')
    replace(registry, model="aaa").promote(1)
    pointer_path(registry.workspace, "aaa").write_text("{")

    listed, *asked = ask(("GET", "/v1/models"), ("GET", "/v1/models/flowers"), ("GET", "/v1/models/aaa"))

    assert [model["name"] for model in listed.json()] == ["digits"]
    for response in asked:
        assert (response.status_code, response.json()["error"]["code"]) == (503, "not_ready")
        assert str(registry.workspace.root) not in response.text


def test_without_any_model_the_list_is_empty(ask) -> None:
    listed, asked = ask(("GET", "/v1/models"), ("GET", "/v1/models/digits"))

    assert (listed.status_code, listed.json()) == (200, [])
    assert asked.status_code == 503  # the default, which has no champion yet


def test_openapi_describes_the_routes_and_their_answers() -> None:
    app = FastAPI()
    app.include_router(models.router)

    paths = app.openapi()["paths"]

    assert set(paths["/v1/models"]["get"]["responses"]) == {"200"}
    assert set(paths["/v1/models/{name}"]["get"]["responses"]) == {"200", "404", "503"}
    operation = paths["/v1/models/{name}/classify"]["post"]
    assert [parameter["name"] for parameter in operation["parameters"]] == ["name", "top_k"]
    assert "404" in operation["responses"]
    validate(app.openapi())
