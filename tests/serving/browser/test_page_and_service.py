"""The page beside the real service: what the other tests play is what the service says."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from serving.schemas.answers import OneClass, SeveralLabels
from serving.schemas.models import ModelCard, Models
from tests.serving.browser.played_service import CARDS, CELLS, FLOWER, MODELS, give


@pytest.mark.parametrize("answer", [FLOWER, CELLS])
def test_the_answers_played_are_the_services(answer) -> None:
    schema = OneClass if answer is FLOWER else SeveralLabels
    schema.model_validate(answer)


def test_the_models_played_are_the_services() -> None:
    Models.model_validate(MODELS)
    for card in CARDS:
        ModelCard.model_validate(card)


@pytest.mark.slow  # a service of its own takes seconds to be ready
def test_the_page_and_the_service_understand_one_another(browser, registry, encoded, start_service) -> None:
    registry.promote(1)
    service = start_service(SIGHTLINE_HOME=registry.workspace.root)
    service.wait_ready()
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{service.port}")

    give(page, encoded["photo.jpg"], "photo.jpg")

    expect(page.locator("#answer h2 strong")).to_be_visible()
    answer = service.classify(encoded["photo.jpg"]).json()
    assert page.locator("#answer h2 span").inner_text() == answer["class"]
    expect(page.locator("#ability")).to_contain_text("digits tells 10 classes apart")
    expect(page.get_by_role("alert")).to_be_hidden()
    page.get_by_role("button", name="Show where it looked").click()
    expect(page.get_by_text(f"spoke for {answer['class']}")).to_be_visible()
    page.get_by_role("button", name="Yes").click()
    expect(page.locator("#thanks")).to_contain_text(answer["class"])
    page.close()
