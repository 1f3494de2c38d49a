"""The report: one file that needs nothing else, says first what matters, and trusts no text."""

from __future__ import annotations

import re
from base64 import b64decode
from dataclasses import replace

import numpy as np
import pytest

from tests.unit.html_page import Page
from vision.compression.table import CompressionTable, Measurement
from vision.evaluation import Evaluation, ModelFacts, evaluate_predictions
from vision.intervals import MetricEstimate
from vision.metrics import METRICS, MULTI_LABEL_METRICS
from vision.report import (
    AugmentationExample,
    Prediction,
    Report,
    render_report,
)
from vision.report.evidence_findings import describe_choice
from vision.report.findings import headline
from vision.report.images import thumbnail
from vision.report.metric_words import METRIC_WORDS, TILES
from vision.report.plots import drawable_names
from vision.report.summary import summarise
from vision.report.wording import interval, number, percent, runs_as, size
from vision.tuning_parameters import SearchRecord

HOSTILE = (
    "<b>bold</b>",
    "$x^2$ & more",
    "犬",
    "a name far too long for any axis of any plot",
    "' \" <script>",
)
COMPRESSION = CompressionTable(
    rows=(
        Measurement(
            runtime="keras", precision="float32", accuracy=0.993, size_bytes=900_000, latency_ms=40.0,
            is_within_budget=True,
        ),
        Measurement(
            runtime="litert", precision="int8", accuracy=0.991, accuracy_drop_points=0.2,
            highest_drop_points=0.4, size_bytes=82_300, latency_ms=0.21, is_within_budget=True,
            is_chosen=True,
        ),
        Measurement(
            runtime="openvino", precision="int8", pruned=0.5, accuracy=0.8, accuracy_drop_points=19.3,
            highest_drop_points=21.0, size_bytes=41_000, latency_ms=0.1,
        ),
        Measurement(runtime="litert", precision="int8", student="<b>", failure="ValueError: no kernel"),
    ),
    max_accuracy_drop=0.5,
)  # fmt: skip
SECTIONS = ("metrics", "confusion", "classes", "curves", "mistakes", "activations", "compression", "training")


@pytest.mark.parametrize(
    ("lost", "size_bytes", "said"),
    [
        (
            0.2,
            90_000,
            "10 times as small; on validation images it lost 0.20 points of accuracy, at most",
        ),
        (
            -0.28,
            901_000,
            "about as large; on validation images it gained 0.28 points of accuracy, and lost at most",
        ),
    ],
    ids=["smaller", "better"],
)
def test_the_choice_is_told_as_a_loss_or_a_gain(lost: float, size_bytes: int, said: str) -> None:
    original, chosen = COMPRESSION.rows[:2]
    chosen = chosen.model_copy(update={"accuracy_drop_points": lost, "size_bytes": size_bytes})
    table = COMPRESSION.model_copy(update={"rows": (original, chosen)})
    assert describe_choice(table).endswith(f"{said} 0.40.")


def evaluation_of(class_names: tuple[str, ...], *, images: int = 200, right: float = 3.0) -> Evaluation:
    random = np.random.default_rng(0)
    labels = random.integers(0, len(class_names), images)
    logits = random.normal(size=(images, len(class_names))) + right * np.eye(len(class_names))[labels]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    facts = ModelFacts(runtime="litert", precision="int8", size_bytes=82_300, latency_ms=0.21)
    return evaluate_predictions(probabilities, labels, class_names, resamples=20, model=facts)


def full_report(class_names: tuple[str, ...], side: int = 28) -> Report:
    evaluation = evaluation_of(class_names)
    pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    true, predicted = class_names[:1], class_names[1:2]
    shown = Prediction(pixels, true, predicted, predicted[0], 0.913, "test/a.png", overlay=pixels)
    return Report(
        title="digits",
        evaluation=evaluation,
        facts={"Git commit": "8609f1a"},
        comparison={"Keras float32": evaluation, "LiteRT int8 (served)": evaluation},
        compression=COMPRESSION,
        history={"loss": [1.0, 0.5], "val_loss": [1.1, 0.7], "learning_rate": [1e-3, 1e-4]},
        class_counts={"train": [9] * len(class_names), "test": [3] * len(class_names)},
        augmentation=(AugmentationExample(pixels, (pixels, pixels), class_names[0]),),
        activations=(replace(shown, predicted=shown.true),),
        activation_method="Grad-CAM",
        mistakes=(shown,),
    )


@pytest.fixture(scope="module")
def html() -> str:
    return render_report(full_report(tuple("0123456789")))


def test_report_needs_no_other_file(html: str) -> None:
    page = Page(html)
    assert all(address.startswith(("data:image/", "#")) for address in page.addresses)
    assert not page.tags & {"script", "link", "iframe", "object"}
    assert not re.search(r"url\(|@import|https?://", html)
    assert not re.search(r"url\(|@import|https?:|//", re.sub(r'"data:[^"]*"', "", html))


def test_pictures_need_no_other_file(html: str) -> None:
    """A drawing refers to its own parts and to pixels inside it; its namespaces are names, not addresses."""
    drawings = re.findall(r"data:image/svg\+xml;base64,([^\"]+)", html)
    assert drawings
    for drawing in drawings:
        text = b64decode(drawing).decode()
        assert re.findall(r'(?:xlink:)?href="(?!#|data:)[^"]*"|url\((?!#)|@import|<script', text) == []


def test_report_shows_every_section_and_links_to_each(html: str) -> None:
    page = Page(html)
    assert page.sections == [*SECTIONS, "data", "run"]
    links = [address[1:] for address in page.addresses if address.startswith("#")]
    assert links == page.sections


def test_report_is_accessible(html: str) -> None:
    assert all(image["alt"] and len(image["alt"]) > 5 for image in Page(html).images)
    assert html.count("<table") == html.count("<thead>") > 0
    assert '<html lang="en">' in html
    assert "prefers-color-scheme: dark" in html


def test_report_of_ten_classes_stays_small() -> None:
    report = full_report(tuple("0123456789"), side=224)
    many = replace(report, mistakes=report.mistakes * 12, activations=report.activations * 12)
    assert len(render_report(many).encode()) < 2_000_000


def test_report_escapes_names_and_draws_them_all() -> None:
    html = render_report(full_report(HOSTILE))
    assert "&lt;b&gt;bold&lt;/b&gt;" in html
    assert "<b>bold" not in html
    assert "<script" not in html


def test_report_leaves_out_what_is_not_given() -> None:
    nothing_tried = SearchRecord(score="accuracy", trials=(), importances={})
    page = Page(render_report(Report("bare", evaluation_of(("a", "b")), search=nothing_tried)))
    assert page.sections == ["metrics", "confusion", "classes", "curves", "data"]


@pytest.mark.parametrize("classes", [2, 3, 20, 81])
def test_report_takes_any_number_of_classes(classes: int) -> None:
    names = tuple(f"class {index}" for index in range(classes))
    html = render_report(Report(title="many", evaluation=evaluation_of(names)))
    assert all(name in html for name in names)
    assert ("<details>" in html) == (classes > 30)


@pytest.mark.parametrize("case", ["perfect", "one class only", "one image"])
def test_report_takes_degenerate_evaluations(case: str) -> None:
    labels = {"perfect": np.array([0, 1, 1]), "one class only": np.array([1, 1]), "one image": np.array([0])}[
        case
    ]
    evaluation = evaluate_predictions(np.eye(2)[labels], labels, ("a", "b"), resamples=10)
    assert "It made no mistake" in render_report(Report(title=case, evaluation=evaluation))


def test_every_metric_stands_in_the_table_under_a_name_of_its_own(html: str) -> None:
    assert all(words.name in html for words in METRIC_WORDS["multi_class"].values())


@pytest.mark.parametrize(
    ("task", "metrics"), [("multi_class", METRICS), ("multi_label", MULTI_LABEL_METRICS)]
)
def test_every_metric_has_words(task, metrics) -> None:
    assert set(METRIC_WORDS[task]) == set(metrics)
    assert set(TILES[task]) < set(metrics)


def test_headline_says_images_share_and_interval() -> None:
    # 3 of 4: Wilson's interval is 30.1 to 95.4 % (Newcombe 1998, method 3, worked by hand).
    labels, answers = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1])
    evaluation = evaluate_predictions(np.eye(2)[answers], labels, ("cat", "dog"), resamples=10)
    text = headline(evaluation).replace("\u202f", " ").replace("\u2060", "")
    assert text == (
        "On 4 test images that training never saw, 75.0 % right."
        " On further images of the same kind, very likely 30.1–95.4 %."
    )
    points = summarise(Report("pets", evaluation))
    told = " ".join(sentence for point in points for sentence in point.sentences).replace("\u202f", " ")
    assert "it takes “cat” for “dog” (1 of 2 images)" in told
    assert "more confident than it should be" in told
    assert "always answering “cat”, the largest class, would be right for 50.0 %" in told
    assert "4 images are few" in told


def test_numbers_are_not_rounded_to_certainty() -> None:
    received = [percent(share).replace("\u202f", " ") for share in (0.99999, 1.0, 0.00001, 0.0, 0.5)]
    assert received == ["99.9 %", "100.0 %", "0.1 %", "0.0 %", "50.0 %"]
    assert [number(value) for value in (0.99999, 1.0, 0.5)] == ["0.9999", "1.0000", "0.5000"]
    assert interval(MetricEstimate(value=1, low=1, high=1), is_share=True) == "–"
    assert [size(count) for count in (12, 82_300, 820_000, 3_140_000)] == [
        "12 bytes",
        "82.3 KB",
        "820 KB",
        "3.1 MB",
    ]


@pytest.mark.parametrize(
    ("precision", "said"),
    [
        ("int8", "OpenVINO int8"),
        ("int8_controlled", "OpenVINO int8, controlled"),
        ("int8_float_stem", "OpenVINO int8, float stem"),
        ("", "OpenVINO"),
    ],
)
def test_precisions_are_told_in_words(precision: str, said: str) -> None:
    assert runs_as("openvino", precision) == said


def test_thumbnails_are_small_and_small_images_exact() -> None:
    large = thumbnail(np.zeros((600, 300, 3), np.uint8), "large")
    assert (large.width, large.height, large.is_pixelated) == (88, 176, False)
    small = thumbnail(np.zeros((8, 8, 3), np.uint8), "small")
    assert small.uri.startswith("data:image/png")
    assert small.is_pixelated


def test_names_that_the_font_lacks_are_numbered() -> None:
    assert drawable_names(["cat", "犬", "$5", " "]) == ["cat", "#1", r"\$5", "#3"]
