"""What the report says of doubt, of worse images and of folds: the sentences, the tables, the pictures."""

from __future__ import annotations

import pytest

from tests.unit.report_evidence import cross_validation, robustness, uncertainty
from vision.cross_validation.scores import CrossValidation
from vision.intervals import wilson_interval
from vision.report.evidence_findings import (
    describe_automation,
    describe_folds,
    describe_label_issues,
    describe_robustness,
    describe_sets,
    least_covered,
    promise,
)
from vision.report.fold_plots import plot_folds
from vision.report.robustness_plots import HeatTable, heat_tables, plot_robustness
from vision.report.uncertainty_plots import plot_selective, plot_set_sizes
from vision.robustness import DisturbedScore, Robustness


def plain(text: str) -> str:
    return text.replace("\u202f", " ").replace("\u2060", "")


@pytest.mark.parametrize(
    ("automated", "wrong", "told"),
    [
        (63, 0, "At 1 % error the model answers 63 % of images by itself; a person looks at the rest."),
        (0, 0, "It is never sure enough to promise at most 1 % error: a person looks at every image."),
        (100, 1, "At 1 % error the model answers all images by itself. It was wrong in 1.0 % of those."),
        (50, 1, "It was wrong in 2.0 % of those, which may be chance (very likely 0.4–10.5 %)."),
        (100, 20, "It was wrong in 20.0 % of those, more than promised"),
    ],
)
def test_automation_in_words(automated, wrong, told) -> None:
    found = uncertainty().model_copy(
        update={
            "automated": wilson_interval(automated, 100),
            "error": wilson_interval(wrong, automated),
        }
    )
    assert told in plain(describe_automation(found))


def test_without_a_promise_nothing_is_said_of_automation() -> None:
    free = uncertainty().model_copy(update={"target_error": 1.0})
    assert describe_automation(free) == ""
    assert plot_selective(free).alt.endswith("where all are")


@pytest.mark.parametrize(
    ("covered", "verdict"), [(90, "as promised"), (80, "less than promised"), (99, "more than promised")]
)
def test_a_promise_is_judged_by_its_interval(covered, verdict) -> None:
    sets = uncertainty().sets[0].model_copy(update={"coverage": wilson_interval(covered, 100)})
    assert promise(sets) == verdict
    assert ("less than promised" in describe_sets(sets)) == (covered == 80)


def test_classes_least_covered_are_named_below_the_promise_only() -> None:
    sets = uncertainty().sets[0].model_copy(update={"per_class": {"a": 0.95, "b": 0.5, "c": 0.7}})
    assert least_covered(sets, 5) == (("b", 0.5), ("c", 0.7))
    assert least_covered(sets, 1) == (("b", 0.5),)


def test_doubt_without_sets_and_points_has_no_pictures() -> None:
    bare = uncertainty().model_copy(update={"sets": (), "curve": ()})
    assert (plot_selective(bare), plot_set_sizes(bare.sets)) == (None, None)


def test_sizes_of_sets_beyond_ten_share_a_bar() -> None:
    sets = uncertainty().sets[0].model_copy(update={"sizes": (0,) * 500 + (7,), "mean_size": 500.0})
    assert "LAC" in plot_set_sizes([sets]).alt


def test_heat_tables_hold_equal_strengths_the_most_harmful_first() -> None:
    corruptions, *others = heat_tables(robustness())
    assert len(corruptions.rows) == 13
    assert corruptions.rows[0][0] == "jpeg compression"
    assert [len(table.rows) for table in others] == [1, 1, 1]
    assert [table.strengths[0] for table in others] == ["quality 90", "to 0.75", "5 degrees"]


def test_depth_of_colour_is_the_share_lost() -> None:
    scores = [
        DisturbedScore(disturbance="fog", strength=f"severity {place}", accuracy=wilson_interval(right, 100))
        for place, right in enumerate((80, 40, 90), start=1)
    ]
    (table,) = heat_tables(Robustness(images=100, clean=wilson_interval(80, 100), scores=tuple(scores)))
    assert [cell.loss for cell in table.rows[0][1]] == [0, 0.5, 0]
    assert table.means == pytest.approx((0.8, 0.4, 0.9))


@pytest.mark.parametrize(
    ("strengths", "axis"),
    [
        (("severity 1", "severity 2"), ("severity", ("1", "2"))),
        (("5 degrees", "15 degrees"), ("… degrees", ("5", "15"))),
        (("75% and back", "50% and back"), ("… and back", ("75%", "50%"))),
        (("mild", "strong"), ("", ("mild", "strong"))),
        (("severe",), ("", ("severe",))),
    ],
)
def test_words_that_strengths_share_are_said_once(strengths, axis) -> None:
    assert HeatTable(strengths, ()).axis == axis


def test_worse_images_in_words() -> None:
    assert (
        "Of 16 ways to make its images worse, jpeg compression harms most: at severity 5"
        in describe_robustness(robustness())
    )
    unharmed = robustness().model_copy(update={"clean": wilson_interval(0, 500)})
    assert describe_robustness(unharmed).startswith("None of the 16 ways")
    nothing = robustness().model_copy(update={"scores": ()})
    assert describe_robustness(nothing) == ""
    assert plot_robustness(heat_tables(nothing), 0.9) is None


def test_folds_in_words_and_dots() -> None:
    told = plain(describe_folds(cross_validation()))
    assert told == (
        "Trained 5 times, each time without other images, it was right for 88.1 % to 91.3 % of those,"
        " on average for 90.0 %."
    )
    assert "Accuracy 0.9000" in plot_folds(cross_validation(), ("accuracy",), "multi_class").alt
    assert plot_folds(cross_validation(), ("hamming_loss",), "multi_label") is None


@pytest.mark.parametrize(
    ("doubted", "told"), [(0, ""), (1, "1 has a label that may be"), (23, "23 have labels that may be")]
)
def test_doubtful_labels_are_counted(doubted, told) -> None:
    validation = CrossValidation(folds=2, images=50, scores={}, pooled={}, label_issues=doubted)
    assert told in describe_label_issues(validation)
    assert describe_folds(validation) == ""
