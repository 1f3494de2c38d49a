"""The models to choose from, the key that a service may ask for, and the API's description."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.serving.browser.played_service import MODELS, give, png, refusal


def test_one_model_needs_no_chooser(visit) -> None:
    page, _ = visit({"/v1/models": (200, MODELS[:1])})

    expect(page.locator("#card")).to_contain_text("91.2\xa0%")
    expect(page.locator("#ability")).to_have_text("flowers tells 3 classes apart: daisy, rose and tulip.")
    expect(page.locator("#models")).to_be_hidden()


def test_another_model_answers_the_same_picture(visit) -> None:
    page, played = visit()
    give(page)
    expect(page.locator("#explain")).to_be_visible()

    page.get_by_label("Model").select_option("bccd")

    expect(page.get_by_role("heading", name="RBC, WBC")).to_be_visible()
    assert played.last("/models/bccd/classify").post_data_buffer == png()
    expect(page.locator("#explain")).to_be_hidden()  # the default model alone explains itself
    page.get_by_text("Where it comes from").click()
    expect(page.locator("#card")).to_contain_text("version 2, 10\xa0% of the requests")


def test_a_service_without_a_model_says_why(visit) -> None:
    page, _ = visit(
        {"/v1/models": (200, []), "/readyz": (503, refusal("not_ready", "no model has a champion"))}
    )

    expect(page.get_by_role("alert")).to_contain_text("no model has a champion")


def test_a_key_is_asked_for_and_kept_for_the_tab(visit) -> None:
    page, played = visit({"/v1/models": (401, refusal("unauthorized", "an API key is needed"))})
    expect(page.get_by_label("API key")).to_be_focused()

    played.answers["/v1/models"] = (200, MODELS)
    page.keyboard.type("sl_secret")
    page.keyboard.press("Enter")
    expect(page.locator("#entry")).to_be_hidden()
    page.reload()
    expect(page.locator("#card")).to_be_visible()

    assert played.last("/v1/models").headers["authorization"] == "Bearer sl_secret"
    assert page.evaluate("localStorage.length") == 0


def test_the_api_is_described_under_the_same_policy(visit, address) -> None:
    page, _ = visit()

    page.get_by_role("link", name="API").click()

    expect(page.locator(".swagger-ui .info .title")).to_be_visible()
