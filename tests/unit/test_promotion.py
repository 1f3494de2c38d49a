"""The gate is a pure function: scores in, a decision with reasons out."""

from __future__ import annotations

import pytest

from vision.promotion.decision import PromotionRules, Scores, decide

RULES = PromotionRules(min_accuracy=0.8, max_accuracy_drop=1.0, max_ece=0.1)


def scores(accuracy: float, ece: float = 0.02) -> Scores:
    return Scores(accuracy=accuracy, ece=ece, images=360)


@pytest.mark.parametrize(
    ("candidate", "champion", "action"),
    [
        (0.95, None, "promote"),
        (0.80, None, "promote"),  # the threshold itself is enough
        (0.79, None, "keep"),
        (0.95, 0.90, "promote"),
        (0.90, 0.90, "promote"),  # no worse, and made of newer data
        (0.89, 0.90, "promote"),  # exactly the point that it may lose
        (0.888, 0.90, "keep"),
        (0.79, 0.70, "keep"),  # better than the champion, but not good
    ],
)
def test_decide_by_accuracy(candidate: float, champion: float | None, action: str) -> None:
    decision = decide(scores(candidate), None if champion is None else scores(champion), RULES)

    assert decision.action == action
    assert decision.reasons


def test_decide_refuses_bad_calibration() -> None:
    assert decide(scores(0.95, ece=0.1), None, RULES).action == "promote"
    assert decide(scores(0.95, ece=0.11), None, RULES).action == "keep"


def test_decide_names_every_rule_that_failed() -> None:
    decision = decide(scores(0.70, ece=0.5), scores(0.90), RULES)

    assert len(decision.reasons) == 3
    keys = ("promote.min_accuracy 0.8", "promote.max_ece 0.1", "promote.max_accuracy_drop allows 1.0")
    for reason, key in zip(decision.reasons, keys, strict=True):
        assert key in reason
    assert "20.00 points below" in decision.reasons[2]


def test_decide_says_what_was_gained() -> None:
    assert "+2.50 points" in decide(scores(0.925), scores(0.90), RULES).reasons[0]
    assert "first champion" in decide(scores(0.925), None, RULES).reasons[0]


def test_decide_refuses_what_is_not_a_number() -> None:
    assert decide(scores(float("nan")), None, RULES).action == "keep"
