"""Is a retraining due? A pure function of what was found and of when the last one was started so."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict

from vision.errors import DataError
from vision.manifest import Manifest
from vision.operation_config import RetrainConfig

Trigger = Literal["drift", "reviews"]


class RetrainingDecision(BaseModel):
    """`trigger` is what makes a retraining due, None where none is; `reason` says so in words."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    trigger: Trigger | None = None
    reason: str


def decide_retraining(
    config: RetrainConfig,
    *,
    drift: tuple[str, ...],
    reviews: int,
    last_start: datetime | None,
    now: datetime,
) -> RetrainingDecision:
    """Due where something calls for it and the last one was `min_hours` ago at least.

    `drift`: the reasons of a look that found it, else none. `reviews`: images that were labelled since the
    last training. `last_start`: when drift or reviews last started one. One in the future, by a clock that
    was set back, does not count: it could keep every retraining off for years.
    """
    trigger, reason = _call(config, drift, reviews)
    again = last_start + timedelta(hours=config.min_hours) if last_start and last_start <= now else now
    if trigger is not None and now < again:
        return RetrainingDecision(
            reason=f"{reason}; not before {again:%Y-%m-%d %H:%M} UTC: retrain.min_hours is"
            f" {config.min_hours:g}"
        )
    return RetrainingDecision(trigger=trigger, reason=reason)


def _call(config: RetrainConfig, drift: tuple[str, ...], reviews: int) -> tuple[Trigger | None, str]:
    if drift and config.on_drift:
        return "drift", f"drift: {'; '.join(drift)}"
    if 0 < config.least_reviews <= reviews:
        return "reviews", f"{reviews} images were labelled since the last training"
    found = "drift, which retrain.on_drift ignores" if drift else "no drift was found"
    needed = f" of {config.least_reviews}" if config.least_reviews else ""
    return None, f"{found}; {reviews}{needed} images were labelled since the last training"


def check_tests_unseen(learned: Manifest, present: Manifest) -> None:
    """DataError where images that a model learned from are test images by now.

    A network that begins with its weights would know their answers, and the gate would see a gain.
    """
    seen = learned.table.loc[learned.table["split"].isin(("train", "validation")), "sha256"]
    known = int(present.select("test").table["sha256"].isin(seen).sum())
    if known:
        raise DataError(
            f"it has learned from {known} images that are test images now: set config.split.sticky to true,"
            " and config.seed to what it was"
        )
