"""Whoever uses the page, with whatever: keyboard, either theme, a phone, a picture dropped or pasted."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.serving.browser.played_service import CELLS, FLOWER, MODELS, give, png, refusal


def test_the_keyboard_alone_is_enough(visit) -> None:
    page, played = visit()
    reached = []

    def tab_to(name: str) -> None:
        for _ in range(12):
            page.keyboard.press("Tab")
            reached.append(page.evaluate("document.activeElement.innerText.trim()"))
            if reached[-1] == name:
                return
        pytest.fail(f"{name} was not reached, but {reached}")

    tab_to("Choose a picture")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files({"name": "a.png", "mimeType": "image/png", "buffer": png()})
    expect(page.locator("#result")).to_be_visible()
    tab_to("Show where it looked")
    page.keyboard.press("Space")
    expect(page.locator("#explain")).to_have_attribute("aria-pressed", "true")
    tab_to("No")
    page.keyboard.press("Enter")
    page.keyboard.type("dai")  # the list of classes has the focus
    tab_to("Send")
    page.keyboard.press("Enter")
    expect(page.locator("#thanks")).to_be_visible()
    assert played.last("/v1/feedback").post_data_json["label"] == "daisy"


def test_a_picture_may_be_dropped_or_pasted(visit) -> None:
    page, _ = visit()
    give_by = """([name, bytes]) => {
        const data = new DataTransfer();
        if (bytes.length) data.items.add(new File([new Uint8Array(bytes)], "a.png", {type: "image/png"}));
        const init = {bubbles: true, cancelable: true};
        document.body.dispatchEvent(name === "drop" ? new DragEvent(name, {...init, dataTransfer: data})
            : new ClipboardEvent(name, {...init, clipboardData: data}));
    }"""

    for event in ("drop", "paste"):
        with page.expect_request("**/classify") as sent:
            page.evaluate(give_by, [event, list(png())])
        assert sent.value.post_data_buffer == png()

    page.evaluate(give_by, ["drop", []])
    expect(page.get_by_role("alert")).to_contain_text("no file in it")


def test_a_picture_given_before_the_models_are_known_goes_to_the_default_one(visit) -> None:
    page, played = visit({"/v1/models": (503, refusal("not_ready", "There is no model yet."))})
    expect(page.get_by_role("alert")).to_contain_text("no model yet")

    give(page)

    expect(page.locator("#result")).to_be_visible()
    assert played.last("classify").url.endswith("/v1/classify")


# Each text against the nearest ground that is painted, by WCAG 2.2's formula of contrast (1.4.3).
CONTRASTS = """() => {
    const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
    const linear = (value) => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    const light = (colour) => {
        const [red, green, blue] = parts(colour).map((part) => linear(part / 255));
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    const ground = (element) => {
        const colour = getComputedStyle(element).backgroundColor;
        return parts(colour)[3] === 0 ? ground(element.parentElement) : colour;
    };
    const texts = [...document.querySelectorAll("body *")].filter((element) => element.checkVisibility()
        && [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim()));
    return texts.map((element) => {
        const [a, b] = [light(getComputedStyle(element).color), light(ground(element))];
        return [element.innerText, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)];
    });
}"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_text_can_be_read_in_both_themes(visit, theme) -> None:
    page, _ = visit(color_scheme=theme)
    grounds = {"light": "rgb(245, 246, 248)", "dark": "rgb(16, 18, 20)"}

    give(page)
    page.get_by_role("button", name="No").click()
    page.get_by_text("Where it comes from").click()
    page.evaluate("document.getElementById('problem').textContent = 'an error'")

    contrasts = page.evaluate(CONTRASTS)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == grounds[theme]
    assert len(contrasts) > 30
    assert [text for text, contrast in contrasts if contrast < 4.5] == []


LONG = "a_class_of_a_long_name_without_any_place_to_break_it_at_all_in_its_whole_length"


@pytest.mark.parametrize("answer", [FLOWER, CELLS])
def test_a_phone_needs_no_sideways_scrolling(visit, answer) -> None:
    names = {"class": LONG} if answer is FLOWER else {"labels": [LONG, "WBC"]}
    classes = [answer["classes"][0] | {"name": LONG}, *answer["classes"][1:]]
    models = [MODELS[0] | {"class_names": [LONG, "b"]}, MODELS[1] | {"name": LONG}]
    page, _ = visit(
        {
            "/v1/models/flowers/classify": (200, answer | names | {"classes": classes}),
            "/v1/models": (200, models),
        },
        viewport={"width": 360, "height": 740},
    )

    give(page)
    page.get_by_role("button", name="No").click()
    page.get_by_text("Where it comes from").click()

    assert page.evaluate("document.documentElement.scrollWidth") == 360
