"""The report of a multi-label classifier: the same page, with the words and pictures of its task."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.html_page import Page
from vision.evaluation import Evaluation, evaluate_predictions
from vision.report import Prediction, Report, render_report
from vision.report.findings import headline, mistakes
from vision.report.label_plots import most_mistaken
from vision.report.metric_words import METRIC_WORDS
from vision.report.summary import summarise

# Four images, labels a, b, c; at 0.5 image 0 misses c, image 1 is given b, images 2 and 3 are right.
LABELS = np.array([[1, 0, 1], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
PROBABILITIES = np.array([[0.9, 0.2, 0.3], [0.8, 0.7, 0.1], [0.9, 0.6, 0.2], [0.3, 0.8, 0.1]])


def plain(text: str) -> str:
    return text.replace("\u202f", " ").replace("\u2060", "")


def evaluation_of(classes: int = 3, images: int = 60, names: tuple[str, ...] = ()) -> Evaluation:
    random = np.random.default_rng(0)
    labels = (random.random((images, classes)) < 0.4).astype(np.int64)
    probabilities = np.clip(labels * 0.5 + random.random((images, classes)) * 0.6, 0, 1)
    names = names or tuple(f"label {index}" for index in range(classes))
    return evaluate_predictions(probabilities, labels, names, resamples=10, thresholds=(0.5,) * classes)


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    return evaluate_predictions(PROBABILITIES, LABELS, ("a", "b", "c"), resamples=10)


@pytest.fixture(scope="module")
def html(evaluation) -> str:
    pixels = np.zeros((8, 8, 3), np.uint8)
    mistake = Prediction(pixels, ("a", "c"), ("a",), "c", 0.3, "test/0.png", overlay=pixels)
    right = Prediction(pixels, (), (), "a", 0.04, "test/9.png", overlay=pixels)
    return render_report(Report("cells", evaluation, mistakes=(mistake,), activations=(right,)))


def test_report_has_the_sections_and_pictures_of_its_task(html) -> None:
    page = Page(html)
    assert page.sections == ["metrics", "confusion", "classes", "curves", "mistakes", "activations", "data"]
    told = " ".join(image["alt"] or "" for image in page.images)
    assert "Confusion matrix" not in told
    assert "Answers to each label: 2 of 12 are wrong" in told
    assert "Precision-recall curves" in told


def test_every_metric_goes_by_its_name(html) -> None:
    assert all(words.name in html for words in METRIC_WORDS["multi_label"].values())
    assert "Subset accuracy (all labels of an image right)" in html
    assert "likeliest class" not in html


def test_answers_are_sets_of_labels(html) -> None:
    text = " ".join(html.split())
    assert '<span class="mark wrong">wrong</span> <b>a</b>' in text
    assert '<span class="quiet">labelled</span> <b>a + c</b>' in text
    assert '<span class="quiet">c</span> 30.0' in text
    assert '<span class="mark right">right</span> <b>no label</b>' in text


def test_headline_and_findings_speak_of_labels(evaluation) -> None:
    # Wilson's interval of 2 of 4 by hand: (2 + 1.96^2 / 2 -+ 1.96 sqrt(4 / 4 + 1.96^2 / 4)) / (4 + 1.96^2).
    assert plain(headline(evaluation)) == (
        "On 4 test images that training never saw, 50.0 % have all their labels right."
        " On further images of the same kind, very likely 15.0–85.0 %."
    )
    points = summarise(Report("cells", evaluation))
    told = plain(" ".join(sentence for point in points for sentence in point.sentences))
    assert "it misses “c” (1 of the 1 images with it)" in told
    assert "Label by label, 83.3 % of its answers are right" in told  # 10 of 12
    assert "no other, would be right for 66.7 %" in told  # always a, b either way, never c: 3 + 2 + 3 of 12


def test_more_false_labels_than_missed_ones_are_the_most_frequent_mistake() -> None:
    given = evaluate_predictions(np.full((4, 2), 0.9), np.array([[1, 0]] * 4), ("a", "b"), resamples=10)
    assert "it sees “b” where it is not (4 of the 4 images without it)" in mistakes(given)


def test_labels_without_mistakes_are_not_among_the_mistaken(evaluation) -> None:
    assert [label.name for label in most_mistaken(evaluation, 5)] == ["b", "c"]
    assert [label.name for label in most_mistaken(evaluation, 1)] == ["b"]


@pytest.mark.parametrize("classes", [1, pytest.param(35, marks=pytest.mark.slow)])
def test_report_takes_any_number_of_labels(classes) -> None:
    html = render_report(Report("many", evaluation_of(classes)))
    assert all(f"label {index}" in html for index in range(classes))
    assert ("<details>" in html) == (classes > 30)


@pytest.mark.parametrize("labels", [[[0, 0]], [[1, 1]], [[1, 0], [1, 0]]], ids=["none", "all", "one"])
def test_report_takes_degenerate_labels(labels) -> None:
    truth = np.array(labels)
    evaluation = evaluate_predictions(0.1 + 0.8 * truth, truth, ("a", "b"), resamples=10)
    assert "It made no mistake" in render_report(Report("degenerate", evaluation))


def test_report_escapes_the_names_of_labels() -> None:
    names = ("<b>bold</b>", "$x$ & more", "犬")
    shown = Prediction(np.zeros((8, 8, 3), np.uint8), names[:2], names[2:], names[0], 0.9, "test/0.png")
    html = render_report(Report("names", evaluation_of(names=names), mistakes=(shown,)))
    assert "&lt;b&gt;bold&lt;/b&gt; + $x$ &amp; more" in html
    assert "<b>bold" not in html
