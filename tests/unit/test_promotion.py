"""The gate is a pure function: figures in, a decision with reasons out."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from vision.intervals import MetricEstimate
from vision.promotion.blessing import Blessing
from vision.promotion.decision import PromotionDecision, PromotionRules, confirm, decide, keep
from vision.promotion.figures import Comparison, Cost, Figures, PairedCounts, Share

RULES = PromotionRules(min_accuracy=0.8, max_accuracy_drop=1.0, max_ece=0.1)
# Two more and their root is a round number: the interval of equal counts is easy to work out.
IMAGES = 9_998


def figures(accuracy: float = 0.95, ece: float = 0.02, **others: float) -> Figures:
    return Figures(images=IMAGES, metrics={"accuracy": accuracy, "ece": ece, **others})


def pairs(lost: int, gained: int, images: int = IMAGES, name: str = "all images") -> PairedCounts:
    return PairedCounts(name=name, images=images, lost=lost, gained=gained)


def compared(lost: int = 0, gained: int = 0, **others: Any) -> Comparison:
    return Comparison(version=3, all_images=pairs(lost, gained), **others)


def failures(decision: PromotionDecision) -> list[str]:
    return [check.rule for check in decision.checks if check.verdict == "fails"]


@pytest.mark.parametrize(
    ("accuracy", "ece", "failed"),
    [
        (0.95, 0.02, []),
        (0.80, 0.1, []),  # the thresholds themselves are enough
        (0.79, 0.02, ["promote.min_accuracy"]),
        (0.95, 0.11, ["promote.max_ece"]),
        (0.70, 0.5, ["promote.min_accuracy", "promote.max_ece"]),
        (float("nan"), float("nan"), ["promote.min_accuracy", "promote.max_ece"]),
    ],
)
def test_decide_a_first_champion_by_its_values(accuracy: float, ece: float, failed: list[str]) -> None:
    decision = decide(figures(accuracy, ece), None, RULES)
    assert failures(decision) == failed
    assert decision.action == ("reject" if failed else "promote")
    assert len(decision.reasons) == max(1, len(failed))


def test_decide_names_the_key_the_figure_and_the_limit() -> None:
    (reason,) = decide(figures(0.7), None, RULES).reasons
    assert reason == "accuracy is 0.7000, promote.min_accuracy asks for at least 0.8"


@pytest.mark.parametrize(
    ("lost", "gained", "margin", "action"),
    [  # The interval reaches 1.96 * sqrt(501 - change^2 / 10,000) / 100 points each way: 0.44
        (250, 250, 1.0, "promote"),  # as good, and enough images to show it
        (250, 250, 0.4, "not_enough_data"),
        (250, 250, 0.0, "not_enough_data"),  # no margin: only what is better
        (225, 275, 0.0, "promote"),
        (277, 223, 1.0, "promote"),  # 0.54 lower: 0.98 at most
        (279, 221, 1.0, "not_enough_data"),
        (300, 200, 1.0, "not_enough_data"),  # exactly the point that it may lose
        (323, 177, 1.0, "reject"),  # 1.46 lower: 1.02 at least
        (500, 0, 1.0, "reject"),
        (500, 0, 100.0, "promote"),
    ],
)
def test_decide_by_the_interval_of_the_change(lost: int, gained: int, margin: float, action: str) -> None:
    rules = RULES.model_copy(update={"max_accuracy_drop": margin})
    assert decide(figures(), compared(lost, gained), rules).action == action


def test_decide_says_how_many_images_would_tell() -> None:
    """Of 998 images 25 were lost and 25 gained: 51 thousandths are the variance, 0.01 the margin."""
    found = Comparison(version=3, all_images=pairs(25, 25, 998))
    (reason,) = decide(figures(), found, RULES).reasons
    assert "about 4,003 test images would tell" in reason  # 0.051 * (1.95996 + 0.84162)^2 / 0.01^2
    assert "95 % interval -1.40 to +1.40; 25 lost, 25 gained, McNemar p = 1" in reason
    assert "promote.max_accuracy_drop allows a drop of 1" in reason
    worse = decide(figures(), compared(310, 190), RULES)
    assert worse.action == "not_enough_data" and "would tell" not in worse.reasons[0]


def test_decide_remembers_whom_it_compared_with() -> None:
    decision = decide(figures(), compared(200, 240), RULES)
    assert decision.champion == 3
    assert decision.reasons == (
        "accuracy 0.9500 on 9,998 test images, +0.40 points against champion version 3",
    )
    assert decide(figures(), None, RULES).reasons == ("first champion, accuracy 0.9500 on 9,998 test images",)


def test_interval_of_agreement_is_not_empty() -> None:
    """1.96 * sqrt(1) / 100 of 98 images: agreement on few images is no proof."""
    estimate = pairs(0, 0, 98).estimate
    assert (estimate.value, estimate.low, estimate.high) == pytest.approx((0, -0.019600, 0.019600), abs=1e-6)


def test_interval_holds_the_change_that_it_promises() -> None:
    """Coverage by the multinomial distribution itself, of 60 images, 6 % lost and 10 % gained."""
    from scipy.stats import multinomial

    covered = 0.0
    for lost in range(30):
        for gained in range(30):
            estimate = pairs(lost, gained, 60).estimate
            if estimate.low <= 0.04 <= estimate.high:
                covered += multinomial.pmf([lost, gained, 60 - lost - gained], 60, [0.06, 0.1, 0.84])
    assert 0.94 < covered < 0.98


@pytest.mark.parametrize(("lost", "gained"), [(1, 0), (0, 1), (7, 0), (3, 4)])
def test_interval_of_few_images_holds_its_value(lost: int, gained: int) -> None:
    estimate = pairs(lost, gained, lost + gained).estimate
    assert -1 <= estimate.low <= estimate.value <= estimate.high <= 1


def classes(worst: PairedCounts, others: int) -> tuple[PairedCounts, ...]:
    return (*(pairs(0, 0, 100, f"class {number}") for number in range(others)), worst)


@pytest.mark.parametrize(
    ("lost", "gained", "others", "action"),
    [  # McNemar: 2 * (1 + 13) / 2^13 = 0.0034 of 12 and 1; Holm multiplies it by the number of classes.
        (12, 1, 9, "reject"),
        (12, 1, 19, "promote"),  # of 20 classes one may look like this by luck
        (10, 0, 9, "promote"),  # exactly the 10 points that it may lose
        (40, 29, 0, "promote"),  # 11 points, p = 0.23
        (1, 12, 0, "promote"),  # better
    ],
)
@pytest.mark.parametrize("family", ["classes", "slices"])
def test_decide_refuses_a_part_that_dropped(
    lost: int, gained: int, others: int, action: str, family: str
) -> None:
    parts = classes(pairs(lost, gained, 100, "roses"), others)
    decision = decide(figures(), compared(**{family: parts}), RULES)
    assert decision.action == action
    if action == "reject":
        key = "promote.max_recall_drop" if family == "classes" else "promote.max_slice_drop"
        assert failures(decision) == [key]
        assert (
            "roses -11.0 points (100 images, 12 lost, 1 gained, p = 0.034 after Holm)" in decision.reasons[0]
        )
        assert f"{key} allows 10" in decision.reasons[0]


def test_decide_gives_a_class_its_own_margin() -> None:
    rules = RULES.model_copy(update={"class_margins": {"roses": 20.0}})
    parts = classes(pairs(12, 1, 100, "roses"), 0)
    assert decide(figures(), compared(classes=parts), rules).action == "promote"
    (reason,) = decide(figures(), compared(classes=parts), PromotionRules(class_margins={"roses": 5})).reasons
    assert "promote.class_margins allows 5" in reason


def test_decide_refuses_a_margin_of_an_unknown_class() -> None:
    rules = RULES.model_copy(update={"class_margins": {"rosse": 2.0}})
    decision = decide(figures(), compared(classes=classes(pairs(0, 0, 9, "roses"), 0)), rules)
    assert failures(decision) == ["promote.class_margins"] and "rosse" in decision.reasons[0]


@pytest.mark.parametrize(
    ("right", "images", "action"),
    [  # Wilson's upper end: 0.84 of 14 in 20, 0.70 of 60 in 100
        (14, 20, "promote"),
        (60, 100, "reject"),
    ],
)
def test_decide_refuses_a_slice_that_is_shown_to_be_bad(right: int, images: int, action: str) -> None:
    part = Share(name="format GIF", images=images, right=right)
    rules = RULES.model_copy(update={"min_slice_accuracy": 0.75})
    decision = decide(figures().model_copy(update={"slices": (part,)}), None, rules)
    assert decision.action == action
    assert (f"format GIF: {right} of {images} right" in decision.reasons[0]) == (action == "reject")


@pytest.mark.parametrize(
    ("metric", "change", "action"),
    [
        ("macro_f1", (-0.01, -0.019, 0.0), "promote"),
        ("macro_f1", (-0.01, -0.021, 0.0), "not_enough_data"),
        ("macro_f1", (-0.03, -0.04, -0.021), "reject"),
        ("log_loss", (0.01, 0.0, 0.019), "promote"),  # smaller is better
        ("log_loss", (0.01, 0.0, 0.021), "not_enough_data"),
        ("log_loss", (0.03, 0.021, 0.04), "reject"),
        ("log_loss", (-0.3, -0.4, -0.2), "promote"),
    ],
)
def test_decide_by_the_margin_of_a_metric(
    metric: str, change: tuple[float, float, float], action: str
) -> None:
    value, low, high = change
    found = compared(metrics={metric: MetricEstimate(value=value, low=low, high=high)})
    rules = PromotionRules.model_validate({"metrics": {metric: {"margin": 0.02}}})
    decision = decide(figures(), found, rules)
    assert decision.action == action
    assert action == "promote" or f"promote.metrics.{metric}.margin allows 0.02" in decision.reasons[0]


def test_decide_by_the_limit_of_a_metric() -> None:
    rules = PromotionRules.model_validate(
        {"metrics": {"macro_f1": {"limit": 0.9}, "log_loss": {"limit": 0.3}}}
    )
    assert decide(figures(macro_f1=0.9, log_loss=0.3), None, rules).action == "promote"
    refused = decide(figures(macro_f1=0.89, log_loss=0.31), None, rules)
    assert failures(refused) == ["promote.metrics.macro_f1.limit", "promote.metrics.log_loss.limit"]


def test_decide_refuses_a_rule_that_cannot_be_asked() -> None:
    """A metric of the other task; a cost that nobody measured."""
    rules = PromotionRules.model_validate(
        {"metrics": {"micro_f1": {"limit": 0.5, "margin": 0.1}}, "max_memory_ratio": 2}
    )
    assert failures(decide(figures(), compared(), rules)) == [
        "promote.metrics.micro_f1.limit",
        "promote.metrics.micro_f1.margin",
        "promote.max_memory_ratio",
    ]


@pytest.mark.parametrize("cost", ["latency", "size", "memory"])
def test_decide_by_costs(cost: str) -> None:
    rules = RULES.model_copy(update={f"max_{cost}_ratio": 2.0})
    twice, more = ({cost: Cost(candidate=value, champion=1.5, unit="ms")} for value in (3.0, 3.1))
    assert decide(figures(), compared(costs=twice), rules).action == "promote"
    refused = decide(figures(), compared(costs=more), rules)
    assert refused.reasons == (
        f"{cost} is 3.1 ms, the champion's 1.5 ms, promote.max_{cost}_ratio allows 2 times as much",
    )
    assert decide(figures(), None, rules).action == "promote"  # nothing to compare with


def test_decide_says_all_that_fails_before_what_is_unclear() -> None:
    decision = decide(figures(0.7), compared(300, 200), RULES)
    assert decision.action == "reject"
    assert ["min_accuracy" in reason for reason in decision.reasons] == [True, False]


def test_a_worse_candidate_is_promoted_as_rarely_as_promised() -> None:
    """At the margin itself: lost and gained are multinomial, so the chance of either is a sum."""
    from scipy.stats import binom

    images, changed = 2_000, 0.05
    total, lost_share = 100, 0.5 * (1 + 0.01 / changed)  # as many changed as expected
    chances = {
        lost: binom.pmf(lost, total, lost_share)
        for lost in range(total + 1)
        if pairs(lost, total - lost, images).estimate.low >= -0.01
    }
    assert 0.01 < sum(chances.values()) < 0.035


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"metrics": {"acuracy": {"limit": 0.9}}}, 'unknown metric "acuracy"'),
        ({"metrics": {"accuracy": {"margn": 1}}}, "margn"),
        ({"metrics": {"accuracy": {"margin": float("nan")}}}, "margin"),
        ({"max_accuracy_drop": float("inf")}, "max_accuracy_drop"),
        ({"max_latency_ratio": 0}, "max_latency_ratio"),
        ({"class_margins": {"roses": "many"}}, "roses"),
    ],
)
def test_rules_refuse_what_cannot_be_meant(section: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        PromotionRules.model_validate(section)


def test_decision_survives_json_and_shows_a_table() -> None:
    decision = decide(figures(0.7), compared(classes=(pairs(60, 0, 100, "a|b\n"),)), RULES)
    assert PromotionDecision.model_validate_json(decision.model_dump_json()) == decision
    assert decision.markdown.startswith("**reject**\n\n- accuracy is 0.7000")
    rows = [line for line in decision.markdown.splitlines() if line.startswith("| promote.")]
    assert len(rows) == len(decision.checks)
    assert "a\\|b -60.0 points" in rows[3]


@pytest.mark.parametrize("given", [True, False])
def test_confirm_asks_for_both_blessings(given: bool) -> None:
    blessing = Blessing(given=given, reasons=() if given else ("it is mute",))
    promoted, kept = decide(figures(), None, RULES), keep("version 2 is the champion already")
    confirmed = confirm(promoted, blessing)
    assert confirmed.action == ("promote" if given else "reject")
    assert given or confirmed.reasons == ("its Bento was tried and not blessed: it is mute",)
    assert confirm(kept, blessing) == kept
