"""What a person sees of the service's answers and refusals."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.serving.browser.played_service import CELLS, FLOWER, give, png, refusal


def test_a_picture_becomes_bars(visit) -> None:
    page, played = visit()

    give(page)

    expect(page.get_by_role("heading", name="rose 91.0 %")).to_be_visible()
    shares = page.locator(".bars .share").all_inner_texts()
    assert [share.replace("\xa0", " ") for share in shares] == ["91.0 %", "8.0 %", "< 0.1 %"]
    widths = page.locator(".track i").evaluate_all(
        "bars => bars.map(bar => bar.offsetWidth / bar.parentElement.offsetWidth)"
    )
    assert widths == pytest.approx([0.91, 0.0804, 0.0004], abs=0.01)
    assert played.last("/classify").post_data_buffer == png()


def test_doubt_version_and_times_are_said(visit) -> None:
    page, _ = visit()

    give(page)

    result = page.locator("#result")
    expect(result).to_contain_text("a person should look")
    expect(result).to_contain_text("unlike the pictures that the model was trained on")
    expect(result).to_contain_text("flowers version 3, the champion")
    assert result.locator(".chips b").all_inner_texts() == ["rose", "tulip"]
    assert result.locator(".times dt").all_inner_texts() == ["total", "queue", "decode", "infer"]
    expect(result.locator(".times")).to_contain_text("4.24\xa0ms")
    expect(page.locator("#spoken")).to_contain_text("rose, 91.0\xa0%. Unsure")  # for screen readers


def test_an_answer_without_rules_or_with_an_empty_set_is_shown(visit) -> None:
    bare = FLOWER | {"uncertainty": None}
    empty = FLOWER | {"uncertainty": FLOWER["uncertainty"] | {"prediction_set": []}}

    page, played = visit({"/v1/models/flowers/classify": (200, bare)})
    give(page)
    expect(page.locator("#result")).to_be_visible()
    assert page.locator(".notice:visible, .set").count() == 0

    played.answers["/v1/models/flowers/classify"] = (200, empty)
    give(page)
    expect(page.locator(".set")).to_contain_text("no class: none is likely enough")


def test_several_labels_are_marked_as_present(visit) -> None:
    page, played = visit()
    page.get_by_label("Model").select_option("bccd")
    expect(page.locator("#ability")).to_have_text("bccd looks for 3 labels: RBC, WBC and Platelets.")

    give(page)

    expect(page.get_by_role("heading", name="RBC, WBC")).to_be_visible()
    assert page.locator(".bars small").count() == 2
    page.get_by_role("button", name="No").click()
    page.get_by_role("checkbox", name="WBC").uncheck()
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#thanks")).to_contain_text("noted as RBC")
    assert played.last("/v1/feedback").post_data_json == {"id": CELLS["id"], "labels": ["RBC"]}


def test_where_it_looked_is_shown_and_taken_away(visit) -> None:
    page, played = visit()
    give(page)
    button = page.get_by_role("button", name="Show where it looked")
    plain = page.locator("#preview").get_attribute("src")

    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_text("spoke for rose")).to_be_visible()
    assert page.locator("#preview").get_attribute("src") != plain
    assert played.last("/v1/explain").post_data_buffer == png()
    assert played.last("/v1/explain").headers["x-sightline-arm"] == "champion"

    button.click()
    expect(page.locator("#preview")).to_have_attribute("src", plain)


def test_feedback_names_the_right_class(visit) -> None:
    page, played = visit()
    give(page)

    page.get_by_role("button", name="No").click()
    page.get_by_label("What is it?").select_option("daisy")
    page.get_by_role("button", name="Send").click()

    expect(page.locator("#thanks")).to_be_focused()
    assert played.last("/v1/feedback").post_data_json == {"id": FLOWER["id"], "label": "daisy"}


def test_a_right_answer_takes_one_press(visit) -> None:
    page, played = visit()
    give(page)

    page.get_by_role("button", name="Yes").click()

    expect(page.locator("#thanks")).to_contain_text("noted as rose")
    assert played.last("/v1/feedback").post_data_json == {"id": FLOWER["id"], "label": "rose"}


@pytest.mark.parametrize(
    ("status", "title"),
    [
        (400, "That could not be read"),
        (413, "too large"),
        (429, "busy"),
        (503, "not ready"),
        (500, "did not work"),
    ],
)
def test_a_refusal_is_said_in_words(visit, status, title) -> None:
    page, _ = visit(
        {"/v1/models/flowers/classify": (status, refusal("a_code", "the reason, in <b>words</b>"))}
    )

    give(page, b"%PDF-", "paper.pdf")

    expect(page.get_by_role("alert")).to_contain_text(title)
    expect(page.get_by_role("alert")).to_contain_text("the reason, in <b>words</b>")
    expect(page.locator("#result")).to_be_hidden()


def test_what_the_browser_cannot_show_is_said(visit) -> None:
    page, _ = visit()

    give(page, b"II*\0 a TIFF", "scan.tif")

    expect(page.get_by_text("The browser cannot show this file")).to_be_visible()
    expect(page.get_by_role("heading", name="rose")).to_be_visible()
    page.get_by_role("button", name="Show where it looked").click()
    expect(page.get_by_role("img", name="coloured by what the answer rests on")).to_be_visible()


def test_a_service_that_is_gone_is_said_in_words(visit) -> None:
    page, _ = visit()
    page.route("**/classify", lambda route: route.abort())

    give(page)

    expect(page.get_by_role("alert")).to_contain_text("The service did not answer")


def test_the_next_picture_takes_the_error_away(visit) -> None:
    page, played = visit({"/v1/models/flowers/classify": (400, refusal("not_an_image", "no"))})
    give(page, b"no")
    expect(page.get_by_role("alert")).to_be_visible()

    played.answers["/v1/models/flowers/classify"] = (200, FLOWER)
    give(page)

    expect(page.locator("#result")).to_be_visible()
    expect(page.locator("#problem")).to_be_hidden()
