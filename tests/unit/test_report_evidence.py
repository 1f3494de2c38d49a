"""The optional sections: slices, doubt, worse images, folds, and what changed between two models."""

from __future__ import annotations

import re

import numpy as np
import pytest

from tests.unit.html_page import Page
from tests.unit.report_evidence import (
    a_slice,
    comparison,
    evidence,
    slices,
    uncertainty,
)
from vision.evaluation import evaluate_predictions
from vision.evidence.parts import Evidence
from vision.intervals import MetricEstimate
from vision.paired import Flip
from vision.report import Report, render_report
from vision.report.evidence_findings import (
    describe_change,
    describe_slice,
    difference,
)
from vision.report.flips import MAX_FLIPS, choose_flips, rows_shown
from vision.report.slice_rows import MAX_ROWS, properties

EVALUATION = evaluate_predictions(np.eye(2), np.array([0, 1]), ("a", "b"), resamples=10)
SECTION_OF = {
    "champion": "champion",
    "slices": "slices",
    "uncertainty": "uncertainty",
    "robustness": "robustness",
    "cross_validation": "folds",
    "compression": "compression",
}
SECTIONS = tuple(SECTION_OF.values())


def plain(text: str) -> str:
    return text.replace("\u202f", " ").replace("\u2060", "").replace("\u2212", "-")


@pytest.fixture(scope="module")
def html() -> str:
    pixels = np.zeros((8, 8, 3), np.uint8)
    return render_report(Report("all", EVALUATION, evidence=evidence(), flipped={0: pixels, 1: pixels}))


def test_each_part_of_the_evidence_has_its_section_and_link(html) -> None:
    page = Page(html)
    assert set(SECTIONS) < set(page.sections)
    assert [address[1:] for address in page.addresses if address.startswith("#")] == page.sections


@pytest.mark.parametrize("given", [list(SECTION_OF)[::2], list(SECTION_OF)[1::2]], ids=",".join)
def test_a_part_brings_its_own_section_only(given) -> None:
    some = Evidence(**{part: getattr(evidence(), part) for part in given})
    shown = Page(render_report(Report("some", EVALUATION, evidence=some))).sections
    assert set(shown) & set(SECTIONS) == {SECTION_OF[part] for part in given}


def test_values_of_slices_are_text(html) -> None:
    assert "lab &lt;b&gt;" in html
    assert "lab <b>" not in html


def test_worst_slices_are_sentences(html) -> None:
    part = a_slice(3, 4, ("source", "lab 7"), ("is_grayscale", "yes"))
    # Wilson's interval of 3 of 4 is 30.1 to 95.4 % (Newcombe 1998, method 3, worked by hand).
    assert plain(describe_slice(part)) == (
        "Worse where source is “lab 7” and is grayscale is “yes”: right for 75.0 % (very likely 30.1–95.4 %)"
        " of 4 images, for 92.0 % of all others."
    )
    section = html.split('<section id="slices">')[1]
    assert section.index("Worse where brightness") < section.index("<table")


def test_of_a_property_the_lowest_values_are_shown_and_the_rest_counted() -> None:
    label, *_ = [shown for shown in properties(slices(100).slices) if shown.name == "label"]
    values = [part.accuracy.value for part in label.slices]
    assert (len(values), label.hidden) == (MAX_ROWS, 100 - MAX_ROWS)
    assert values == sorted(values)
    assert values[0] == 0.5


def test_properties_of_least_chance_come_first() -> None:
    assert properties(slices().slices)[0].name == "brightness"


def test_nothing_worse_no_promise_and_no_change_are_said_too() -> None:
    certain = MetricEstimate(value=0.0, low=0.0, high=0.0)
    calm = Evidence(
        slices=slices().model_copy(update={"worst": ()}),
        uncertainty=uncertainty().model_copy(update={"target_error": 1.0, "sets": (), "doubt": {}}),
        champion=comparison(flips=0).model_copy(update={"differences": {"accuracy": certain}}),
    )
    html = render_report(Report("calm", EVALUATION, evidence=calm))
    assert "No kind of images that was looked at is worse" in html
    assert "+0.0 points" in html
    assert not re.search("by itself|Sets of answers|Does it know", html)


def test_a_change_is_told_without_statistics() -> None:
    # 2200 both right, 61 and 26 more: 2261 and 2226 of 2485 are 90.99 and 89.58 %.
    assert plain(describe_change(comparison())) == (
        "It is better than champion 3: right for 91.0 % of the same 2,485 images instead of 89.6 %; 61 that"
        " were wrong are right now, 26 that were right are wrong."
    )
    untold = describe_change(comparison(verdict="too few images to tell"))
    assert untold.startswith("Better or worse than champion 3? Too few images to tell:")


def test_where_no_answer_changes_nothing_is_left_to_tell() -> None:
    same = comparison(verdict="too few images to tell").model_copy(
        update={"only_before_right": 0, "only_after_right": 0}
    )
    assert describe_change(same) == "Like champion 3: right and wrong for the same of 2,485 images."


def test_differences_have_their_sign_and_unit() -> None:
    assert tuple(map(plain, difference(comparison(), "accuracy", is_share=True))) == (
        *("+1.4 points", "+0.5 to +2.3"),
    )
    assert tuple(map(plain, difference(comparison(), "log_loss", is_share=False))) == (
        *("-0.0312", "-0.0500 to -0.0120"),
    )


def test_flips_of_both_kinds_are_shown_and_the_rest_counted(html) -> None:
    flips = choose_flips(comparison(flips=40))
    assert [flip.row for flip in flips.lost] == list(range(0, 24, 2))
    assert (len(flips.lost), len(flips.gained)) == (MAX_FLIPS, MAX_FLIPS)
    section = html.split('<section id="champion">')[1].split("</section>")[0]
    assert "Right before, wrong now: 12 of 26" in section
    assert "Wrong before, right now: 12 of 61" in section


def test_rows_shown_are_those_of_both_comparisons_once() -> None:
    few = comparison(flips=3)
    other = few.model_copy(update={"flips": (Flip(row=9, true=("a",), before=("a",), after=("b",)),)})
    assert rows_shown(Evidence(champion=few, compression=other)) == (0, 1, 2, 9)
    assert rows_shown(Evidence()) == ()


def test_flips_have_pictures_where_there_are_pixels(html) -> None:
    section = html.split('<section id="champion">')[1].split("</section>")[0]
    assert len(re.findall(r'alt="test image \d+, labelled class 1"', section)) == 2
    assert section.count("<figcaption>") == 2 * MAX_FLIPS


def test_galleries_are_lazy_and_all_but_the_first_cards_closed(html) -> None:
    assert all(image["loading"] == "lazy" for image in Page(html).images)
    assert "<details open" not in html
