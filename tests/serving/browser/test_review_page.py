"""The page of `sightline review` in a browser: by keyboard, by touch, in either theme, with its real app."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from registry.prediction_files import kept_images_folder
from registry.reviews import accepted, read_reviews
from registry.workspace import Workspace
from serving.review.app import make_app
from serving.review.desk import ReviewDesk
from tests.serving.browser.served_app import served
from tests.serving.browser.test_page_access import CONTRASTS
from tests.serving.review_world import MODEL, add_answer, make_image

TOKEN = "the-token"


@pytest.fixture
def home(tmp_path) -> Workspace:
    return Workspace(tmp_path / "workspace")


@pytest.fixture
def address(home) -> Iterator[str]:
    with served(make_app(ReviewDesk(home, MODEL, who="ann@desk"), TOKEN)) as address:
        yield address


Visit = Callable[..., Page]


@pytest.fixture
def visit(browser: Browser, address: str) -> Iterator[Visit]:
    """Opens the page in a fresh browser; what the page itself did wrong fails the test at its end."""
    faults: list[str] = []
    contexts = []

    def visit(fragment: str = f"#{TOKEN}", **options: object) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1200, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda said: faults.append(said.text) if "Content Security" in said.text else None)
        page.goto(f"{address}/{fragment}")
        return page

    yield visit
    for context in contexts:
        context.close()
    assert faults == []


def press(page: Page, key: str, *, left: int) -> None:
    """Presses the key and waits until so many are to do."""
    page.keyboard.press(key)
    expect(page.locator("#progress")).to_contain_text(f", {left} to do")


def labels(home: Workspace) -> list[tuple[str, ...]]:
    return [review.labels for review in accepted(home, MODEL)]


def test_digits_label_one_image_after_another_and_z_takes_back(visit, home) -> None:
    for number in range(3):
        add_answer(home, number, make_image(number), confidence=0.5 + number / 10)
    page = visit()
    expect(page.locator("#image:not(.failed)")).to_be_visible()
    expect(page.locator("#choices .name").first).to_contain_text("rose")

    press(page, "1", left=2)
    press(page, "2", left=1)
    press(page, "x", left=0)
    expect(page.get_by_role("heading", name="Nothing waits")).to_be_visible()
    assert labels(home) == [("rose",), ("daisy",)]
    press(page, "z", left=1)
    press(page, "z", left=2)
    press(page, "3", left=1)

    assert labels(home) == [("rose",), ("tulip",)]
    assert [review.verdict for review in read_reviews(home, MODEL).values()].count("withdrawn") == 1


def test_any_class_can_be_searched_for(visit, home) -> None:
    for number in range(3):
        add_answer(home, number, make_image(number))
    page = visit()
    expect(page.locator("#asked")).to_be_visible()

    page.keyboard.type("flow")
    expect(page.locator("#found .name")).to_have_text(["sunflower"])
    press(page, "Enter", left=2)
    page.keyboard.type("/xe")  # x alone would say that it is not usable
    press(page, "Enter", left=1)
    page.keyboard.type("<")  # no letter, so it begins no search
    page.keyboard.type("/<b")
    expect(page.locator("#found .name")).to_have_text(["<b>poppy</b>"])
    page.keyboard.press("Escape")
    press(page, "s", left=1)

    assert labels(home) == [("sunflower",), ("xeranthemum",)]


def test_skipped_images_come_again_when_nothing_else_is_left(visit, home) -> None:
    for number in range(2):
        add_answer(home, number, make_image(number), confidence=0.5 + number / 10)
    page = visit()
    expect(page.locator("#asked")).to_be_visible()

    page.keyboard.press("s")
    expect(page.locator("#spoken")).to_contain_text("Skipped. 2 to do.")
    press(page, "1", left=1)
    expect(page.get_by_role("heading", name="Only skipped images are left")).to_be_visible()
    page.get_by_role("button", name="Look at them again").click()
    expect(page.locator("#asked")).to_be_visible()
    press(page, "2", left=0)

    assert labels(home) == [("rose",), ("daisy",)]


def test_a_skip_is_taken_back_without_a_word_to_the_server(visit, home) -> None:
    add_answer(home, 1, make_image(1))
    page = visit()
    expect(page.locator("#asked")).to_be_visible()

    page.keyboard.press("s")
    expect(page.get_by_role("heading", name="Only skipped images are left")).to_be_visible()
    page.keyboard.press("z")
    press(page, "1", left=0)

    assert [review.verdict for review in read_reviews(home, MODEL).values()] == ["accepted"]


def test_several_labels_are_turned_on_and_off_and_accepted_together(visit, home) -> None:
    add_answer(home, 1, make_image(1), task="multi_label")
    page = visit()
    on = page.locator("#choices [aria-pressed=true] .name")
    expect(on).to_have_text(["rosemodel", "daisymodel"])

    page.keyboard.press("2")
    page.locator("#choices button", has_text="sunflower").click()
    page.keyboard.type("/pop")
    page.keyboard.press("Enter")
    expect(on).to_have_text(["rosemodel", "sunflower", "<b>poppy</b>"])
    press(page, "Enter", left=0)

    assert labels(home) == [("<b>poppy</b>", "rose", "sunflower")]


def test_feedback_is_shown_with_its_key_and_as_text(visit, home) -> None:
    add_answer(home, 1, make_image(1), said=["<b>poppy</b>"], key="shop")
    page = visit()

    feedback = page.locator("#said")
    expect(feedback).to_contain_text("The user of the key shop says: <b>poppy</b>.")
    expect(feedback).to_contain_text("1 of the 1 corrections that wait came with this key.")
    expect(feedback).to_contain_text("look at its <i>leaves</i>")
    expect(page.locator("#reason")).to_have_text("A user says that the answer is wrong.")
    press(page, "5", left=0)

    [review] = accepted(home, MODEL)
    assert (review.labels, review.source, review.key) == (("<b>poppy</b>",), "feedback", "shop")


def test_an_image_that_cannot_be_shown_is_said_and_can_be_passed(visit, home) -> None:
    add_answer(home, 1, b"no image", abstain=True)
    gone = add_answer(home, 2, make_image(2))
    add_answer(home, 3, make_image(3), confidence=0.7)
    page = visit()

    expect(page.get_by_role("alert")).to_contain_text("not a readable image")
    [path] = kept_images_folder(home).rglob(gone)
    press(page, "x", left=2)
    expect(page.locator("#problem")).to_be_empty()
    path.unlink()
    page.keyboard.press("1")
    expect(page.get_by_role("alert")).to_contain_text("no longer kept")
    page.keyboard.press("s")
    expect(page.locator("#spoken")).to_contain_text("Skipped")
    press(page, "1", left=0)  # what is gone waits no more
    assert labels(home) == [("rose",)]


def test_without_the_token_the_page_says_what_to_do(visit, home) -> None:
    add_answer(home, 1, make_image(1))
    page = visit("")
    expect(page.get_by_role("alert")).to_contain_text("open the address that `sightline review` printed")

    page = visit()
    expect(page.locator("#asked")).to_be_visible()
    assert "the-token" not in page.url
    page.reload()
    expect(page.locator("#asked")).to_be_visible()  # the tab remembers it


def test_a_server_that_has_ended_is_said_and_nothing_moves_on(visit, home) -> None:
    add_answer(home, 1, make_image(1))
    page = visit()
    page.route("**/reviews", lambda route: route.abort())
    page.reload()  # under load Chromium lets what a page asks for pass until it is opened anew
    expect(page.locator("#asked")).to_be_visible()

    page.keyboard.press("1")

    expect(page.get_by_role("alert")).to_contain_text("start `sightline review`")
    expect(page.locator("#progress")).to_contain_text("0 done, 1 to do")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_text_can_be_read_in_both_themes(visit, home, theme) -> None:
    add_answer(home, 1, make_image(1), said=["tulip"], key="shop", unusual=True)
    page = visit(color_scheme=theme)
    expect(page.locator("#image:not(.failed)")).to_be_visible()
    page.keyboard.type("a")
    expect(page.locator("#found .name").first).to_be_visible()

    contrasts = page.evaluate(CONTRASTS)

    assert len(contrasts) > 20
    # A button that cannot be used need not be (WCAG 1.4.3).
    assert [text for text, contrast in contrasts if contrast < 4.5 and "Undo" not in text] == []


@pytest.mark.parametrize("task", ["multi_class", "multi_label"])
def test_a_phone_is_enough(visit, home, task) -> None:
    add_answer(home, 1, make_image(1), task=task, said=["tulip"], key="k" * 64)
    page = visit(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    expect(page.locator("#image:not(.failed)")).to_be_visible()

    assert page.evaluate("document.documentElement.scrollWidth") == 360
    page.locator("#choices button", has_text="tulip").tap()
    if task == "multi_label":
        page.get_by_role("button", name="Accept").tap()
    expect(page.locator("#progress")).to_contain_text("1 done, 0 to do")
    expected = ("tulip",) if task == "multi_class" else ("daisy", "rose", "tulip")
    assert labels(home) == [expected]


def test_the_files_of_the_page_are_those_that_it_names() -> None:
    folder = Path(__file__).parents[3] / "serving/review/page"
    texts = "".join(path.read_text() for path in folder.iterdir())

    assert all(path.name == "index.html" or path.name in texts for path in folder.iterdir())
