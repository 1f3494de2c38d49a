"""The model card: the sections that people look for, the report's numbers, and nothing made up."""

from __future__ import annotations

import re

import numpy as np
import pytest

from tests.unit.report_evidence import evidence
from vision.evaluation import ModelFacts, evaluate_predictions
from vision.report import Report, model_card
from vision.report.model_card import MAX_CLASSES

# Hugging Face's card template and figure 1 of Mitchell et al. 2019.
SECTIONS = (
    "Model details",
    "Uses",
    "Bias, risks and limitations",
    "How to get started with the model",
    "Training details",
    "Evaluation",
)


def evaluation_of(class_names: tuple[str, ...]):
    labels = np.arange(len(class_names))
    facts = ModelFacts(runtime="litert", precision="int8", size_bytes=82_300)
    answers = np.eye(len(class_names))[np.where(labels == 1, 0, labels)]
    return evaluate_predictions(answers, labels, class_names, resamples=10, model=facts)


def plain(text: str) -> str:
    return text.replace("\u202f", " ").replace("\u2060", "")


@pytest.mark.parametrize(
    "report",
    [
        Report("bare", evaluation_of(("a", "b"))),
        Report("all", evaluation_of(("a", "b")), evidence=evidence(2)),
    ],
    ids=lambda report: report.title,
)
def test_card_has_its_sections_in_order(report) -> None:
    assert re.findall(r"^## (.*)$", model_card(report), re.M) == list(SECTIONS)


def test_numbers_are_those_of_the_report() -> None:
    card = plain(
        model_card(Report("pets", evaluation_of(("cat", "dog", "fox", "owl")), evidence=evidence(4)))
    )
    # 3 of 4: Wilson's interval is 30.1 to 95.4 % (Newcombe 1998, method 3, worked by hand).
    assert "| Accuracy | 75.0 % | 30.1–95.4 % |" in card
    assert "- **As it runs:** LiteRT int8, 82.3 KB" in card
    assert "| dog | 1 | 0.0 % | 0.0 % |" in card
    assert "the model answers 63 % of images by itself" in card


def test_what_only_a_person_knows_is_asked_of_the_owner() -> None:
    card = model_card(Report("bare", evaluation_of(("a", "b"))))
    asked = re.findall(r"\*To be filled in by the owner: (.*?)\.\*", card)
    assert len(asked) == 8
    assert "### Intended use\n\n*To be filled in" in card


def test_evidence_that_is_not_there_leaves_no_heading() -> None:
    card = model_card(Report("bare", evaluation_of(("a", "b"))))
    assert "###" in card
    assert not re.search("champion before|In doubt|compression cost|divisions", card)


def test_names_are_plain_text() -> None:
    names = ("<script>", "a|b", "*bold*", "line\nbreak", "`x`")
    card = model_card(Report("$(rm) `x`", evaluation_of(names)))
    assert r"| \<script\> |" in card
    assert r"| a\|b |" in card
    assert r"\*bold\*" in card
    assert "| line break |" in card
    assert "SIGHTLINE_MODEL='$(rm) `x`'" in card


def test_long_tables_end_with_how_many_more_there_are() -> None:
    card = model_card(
        Report("many", evaluation_of(tuple(f"class {place}" for place in range(MAX_CLASSES + 5))))
    )
    assert "and 5 more, in the report." in card
    assert card.count("\n| class ") == MAX_CLASSES
