"""May the candidate replace the champion? A pure function of what was measured of both."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel, ConfigDict

from vision.promotion.blessing import Blessing
from vision.promotion.checks import Check, check_changes, check_values
from vision.promotion.figures import Comparison, Figures
from vision.promotion.rules import PromotionRules

__all__ = ["PromotionDecision", "PromotionRules", "conclude", "confirm", "decide", "keep"]

Action = Literal["promote", "reject", "not_enough_data"]
TITLES: dict[Action, str] = {
    "promote": "promote",
    "reject": "reject",
    "not_enough_data": "not enough data: the champion stays",
}


class PromotionDecision(BaseModel):
    """The answer, as data. `champion` is the version that was compared with, None where there was none.

    `checks` has every rule that was asked; none where the version's own history decided.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    action: Action
    reasons: tuple[str, ...]
    champion: int | None = None
    checks: tuple[Check, ...] = ()

    @property
    def markdown(self) -> str:
        """The answer, and a table of the rules."""
        rows = [f"| {check.rule} | {check.verdict} | {_cell(check.words)} |" for check in self.checks]
        table = ["| rule | verdict | measured |", "| --- | --- | --- |", *rows] if rows else []
        reasons = [f"- {_cell(reason)}" for reason in self.reasons]
        return "\n".join([f"**{TITLES[self.action]}**", "", *reasons, "", *table]).strip() + "\n"


def decide(candidate: Figures, champion: Comparison | None, rules: PromotionRules) -> PromotionDecision:
    """The gate: what was measured of the candidate, and of it against the champion, None where there is none.

    A margin is what a user would not miss. A retrained model that is as good must be able to take over, and
    no number of images shows that it is not the least bit worse: so the question is non-inferiority, and the
    95 % interval of the difference on the same images answers it.

    "promote": every rule holds, and each of these intervals lies within its margin. A candidate that is truly
    worse by more than a margin gets this in 2.5 % of cases at most; all margins must hold, so their number
    needs no correction. One that is equal gets it, given enough images, unless the margin is 0: that asks
    for proof that it is better.

    "reject": a rule is shown to be broken. An interval beyond its margin: 2.5 % at most of candidates that
    are within it, for each such rule. A class, or a slice, that dropped by more than its margin and by more
    than luck explains (McNemar and Holm): 5 % at most of candidates that are no worse anywhere, for all
    classes together, and for all slices. Values and costs are compared as they were measured: near a limit,
    chance decides.

    "not_enough_data": nothing is broken, but an interval reaches beyond its margin. The champion stays; the
    reason says how many images would tell, where any number would.

    Intervals are approximate and keep these rates nearly; `python -m benchmarks gate` measures them.
    """
    accuracy = f"accuracy {candidate.metrics['accuracy']:.4f} on {candidate.images:,} test images"
    if champion is None:
        return conclude(check_values(candidate, rules), f"first champion, {accuracy}")
    gain = 100 * champion.all_images.change
    success = f"{accuracy}, {gain:+.2f} points against champion version {champion.version}"
    checks = [*check_values(candidate, rules), *check_changes(champion, rules)]
    return conclude(checks, success).model_copy(update={"champion": champion.version})


def conclude(checks: Iterable[Check], success: str = "") -> PromotionDecision:
    """What the rules say together; the reasons are those that do not hold, or `success`."""
    known = tuple(checks)
    failed, unclear = ([check.words for check in known if check.verdict == v] for v in ("fails", "open"))
    action: Action = "reject" if failed else "not_enough_data" if unclear else "promote"
    return PromotionDecision(action=action, reasons=tuple(failed + unclear) or (success,), checks=known)


def keep(*reasons: str) -> PromotionDecision:
    """The champion stays, for these reasons, and nothing was measured."""
    return PromotionDecision(action="reject", reasons=reasons)


def confirm(decision: PromotionDecision, blessing: Blessing) -> PromotionDecision:
    """The decision where its Bento was blessed too, else its rejection for the trial's reasons."""
    if decision.action != "promote" or blessing.given:
        return decision
    reasons = tuple(f"its Bento was tried and not blessed: {reason}" for reason in blessing.reasons)
    return decision.model_copy(
        update={"action": "reject", "reasons": reasons or ("its Bento was not blessed",)}
    )


def _cell(words: str) -> str:
    """Words in a table of Markdown: class names may hold what divides its columns."""
    return " ".join(words.split()).replace("|", "\\|")
