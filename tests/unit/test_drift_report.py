"""The page of a look: its verdict in words, no text trusted, nothing outside it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.unit.drifting_service import NAMES, seen
from tests.unit.html_page import Page
from vision.drift.answering import Answering
from vision.drift.detection import detect
from vision.drift.profile import Profile
from vision.drift.report import STRANGEST, drift_page, verdict
from vision.operation_config import MonitorConfig

CONFIG = MonitorConfig()
HOSTILE = "<b>bold</b> & \"'</script>"
IMAGES = np.random.default_rng(0).integers(0, 256, (100, 8, 8, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def reference() -> Profile:
    made = seen(500, 500, random=np.random.default_rng(1))
    return replace(made, answering=Answering((HOSTILE, "$x$", *NAMES[2:])), examples=IMAGES[:12])


@pytest.fixture(scope="module")
def drifted() -> Profile:
    return seen(400, 100, random=np.random.default_rng(2), shift=1, judged=50)


@pytest.fixture(scope="module")
def page(reference, drifted) -> str:
    return drift_page(detect(reference, drifted, CONFIG, seed=0), reference, drifted, IMAGES)


def test_page_has_all_sections_and_nothing_outside_it(page) -> None:
    looked = Page(page)
    assert looked.sections == ["images", "changes", "accuracy", "tests"]
    assert all(address.startswith(("#", "data:")) for address in looked.addresses)
    assert all(image["alt"] for image in looked.images)


def test_page_shows_the_strangest_images_beside_some_of_the_reference(page) -> None:
    alts = [image["alt"] or "" for image in Page(page).images]
    assert sum("of the strangest" in alt for alt in alts) == STRANGEST
    assert alts.count("an image of the reference") == 12


def test_page_trusts_no_class_name(page) -> None:
    assert HOSTILE not in page
    assert not {"b", "script"} & Page(page.replace("<b style", "<i style")).tags


def test_page_begins_with_the_verdict(page) -> None:
    head = page[page.index("<h1>") : page.index("</h1>")]
    assert head.startswith("<h1>Drift in inputs")


def test_page_without_drift_images_or_feedback(reference) -> None:
    current = seen(400, 0, random=np.random.default_rng(3), judged=0)
    report = detect(reference, current, CONFIG, seed=0)
    page = drift_page(report, reference, current, IMAGES[:0])
    assert Page(page).sections == ["changes", "accuracy", "tests"]
    assert "<h1>No drift: the service sees what the model was made for</h1>" in page
    assert "SIGHTLINE_KEEP_IMAGES" in page


def test_page_of_too_few_answers_says_so_and_no_more(reference) -> None:
    current = seen(20, 0, random=np.random.default_rng(3))
    report = detect(reference, current, CONFIG, seed=0)
    page = drift_page(report, reference, current, IMAGES[:0])
    assert Page(page).sections == []
    assert "<h1>Too few answers to judge</h1>" in page
    assert "monitor.least_answers is 200" in page


def test_page_of_a_thousand_classes_stays_small() -> None:
    random = np.random.default_rng(0)
    profile = Profile(
        random.dirichlet(np.ones(1000), 300).astype(np.float32),
        np.zeros(300),
        np.ones(300, bool),
        np.zeros(0, bool),
    )
    page = drift_page(detect(profile, profile, CONFIG, seed=0), profile, profile, IMAGES[:0])
    assert len(page) < 300_000


def test_verdict_names_what_has_drifted(reference) -> None:
    current = seen(400, 100, random=np.random.default_rng(0), judged=200, mistaught=0.5)
    assert verdict(detect(reference, current, CONFIG, seed=0)) == "Drift in feedback"
