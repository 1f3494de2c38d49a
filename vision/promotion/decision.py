"""May the candidate replace the champion? A pure function of two evaluations on the same test images."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class PromotionRules(BaseModel):
    """What a candidate must reach."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_accuracy: float = Field(0.5, ge=0, le=1, description="on test, share 0..1")
    max_accuracy_drop: float = Field(
        0.0, ge=0, description="percentage points that it may be below the champion on the same images"
    )
    max_ece: float = Field(1.0, ge=0, le=1, description="expected calibration error on test")


class Scores(BaseModel):
    """What the gate looks at; all on the same test images."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    accuracy: float
    ece: float
    images: int


class PromotionDecision(BaseModel):
    """The answer, as data."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    action: Literal["promote", "keep"]
    reasons: tuple[str, ...]


def decide(candidate: Scores, champion: Scores | None, rules: PromotionRules) -> PromotionDecision:
    """Promote where every rule holds; otherwise keep, with each rule that failed in words."""
    failures = []
    # Asked as `not good` rather than `bad`, so that a figure that is not a number is refused.
    if not candidate.accuracy >= rules.min_accuracy:
        failures.append(
            f"test accuracy {candidate.accuracy:.4f} is below promote.min_accuracy {rules.min_accuracy}"
        )
    if not candidate.ece <= rules.max_ece:
        failures.append(f"calibration error {candidate.ece:.4f} is above promote.max_ece {rules.max_ece}")
    if champion is not None:
        drop = 100 * (champion.accuracy - candidate.accuracy)
        if not drop <= rules.max_accuracy_drop + 1e-9:
            failures.append(
                f"test accuracy is {drop:.2f} points below the champion's {champion.accuracy:.4f} on the"
                f" same {champion.images} images; promote.max_accuracy_drop allows {rules.max_accuracy_drop}"
            )
    if failures:
        return keep(*failures)
    return PromotionDecision(action="promote", reasons=(_success(candidate, champion),))


def keep(*reasons: str) -> PromotionDecision:
    """The champion stays, for these reasons."""
    return PromotionDecision(action="keep", reasons=reasons)


def _success(candidate: Scores, champion: Scores | None) -> str:
    if champion is None:
        return f"first champion, test accuracy {candidate.accuracy:.4f} on {candidate.images} images"
    gain = 100 * (candidate.accuracy - champion.accuracy)
    return f"test accuracy {candidate.accuracy:.4f}, {gain:+.2f} points against the champion"
