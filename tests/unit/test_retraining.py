"""When a retraining is due, and whose weights it may begin with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from vision.errors import DataError
from vision.manifest import Manifest
from vision.operation_config import RetrainConfig
from vision.retraining import RetrainingDecision, check_tests_unseen, decide_retraining

NOW = datetime(2026, 11, 5, 12, tzinfo=UTC)
CONFIG = RetrainConfig(least_reviews=100, min_hours=24)
DRIFT = ("brightness has drifted",)


def decide(
    config: RetrainConfig = CONFIG,
    *,
    drift: tuple[str, ...] = (),
    reviews: int = 0,
    hours_ago: float | None = None,
) -> RetrainingDecision:
    started = None if hours_ago is None else NOW - timedelta(hours=hours_ago)
    return decide_retraining(config, drift=drift, reviews=reviews, last_start=started, now=NOW)


def test_drift_calls_for_one_and_says_what_has_drifted() -> None:
    assert decide(drift=DRIFT) == RetrainingDecision(trigger="drift", reason="drift: brightness has drifted")


@pytest.mark.parametrize(("reviews", "trigger"), [(99, None), (100, "reviews"), (101, "reviews")])
def test_enough_reviews_call_for_one(reviews: int, trigger: str | None) -> None:
    assert decide(reviews=reviews).trigger == trigger


def test_what_is_switched_off_calls_for_none() -> None:
    off = RetrainConfig(on_drift=False, least_reviews=0)

    decision = decide(off, drift=DRIFT, reviews=1000)

    assert decision.trigger is None
    assert decision.reason.startswith("drift, which retrain.on_drift ignores; 1000 images")


@pytest.mark.parametrize(("hours_ago", "trigger"), [(0, None), (23.9, None), (24, "drift"), (1000, "drift")])
def test_none_is_due_sooner_than_the_interval(hours_ago: float, trigger: str | None) -> None:
    assert decide(drift=DRIFT, reviews=100, hours_ago=hours_ago).trigger == trigger


def test_too_soon_says_when_and_which_key() -> None:
    reason = decide(drift=DRIFT, hours_ago=1).reason

    assert "not before 2026-11-06 11:00 UTC: retrain.min_hours is 24" in reason


def test_a_start_in_the_future_keeps_nothing_off() -> None:
    assert decide(drift=DRIFT, hours_ago=-10_000).trigger == "drift"


def manifest(**splits: str) -> Manifest:
    return Manifest("", pd.DataFrame({"sha256": list(splits), "split": list(splits.values())}))


def test_images_that_stay_in_their_split_are_no_reason_against_its_weights() -> None:
    learned = manifest(a="train", b="validation", c="test", d="excluded")

    check_tests_unseen(learned, manifest(a="train", b="train", c="test", d="test", e="test"))


@pytest.mark.parametrize("split", ["train", "validation"])
def test_a_network_that_has_learned_test_images_is_no_start(split: str) -> None:
    with pytest.raises(DataError, match=r"1 images that are test images now: set config\.split\.sticky"):
        check_tests_unseen(manifest(a=split, b="train"), manifest(a="test", b="train"))
