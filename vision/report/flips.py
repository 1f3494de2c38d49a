"""The images that changed sides between two models, no more of them than a page can hold."""

from __future__ import annotations

from dataclasses import dataclass

from vision.evidence.parts import Evidence
from vision.paired import Flip, PairedComparison

MAX_FLIPS = 12


@dataclass(frozen=True)
class Flips:
    """Some that are wrong now and some that are right now, the surest first; `hidden` is how many others."""

    lost: tuple[Flip, ...]
    gained: tuple[Flip, ...]
    hidden: int

    @property
    def rows(self) -> tuple[int, ...]:
        return tuple(flip.row for flip in (*self.lost, *self.gained))


def choose_flips(comparison: PairedComparison) -> Flips:
    """At most twelve of either kind."""
    lost = tuple(flip for flip in comparison.flips if flip.before == flip.true)[:MAX_FLIPS]
    gained = tuple(flip for flip in comparison.flips if flip.after == flip.true)[:MAX_FLIPS]
    total = comparison.only_before_right + comparison.only_after_right
    return Flips(lost, gained, total - len(lost) - len(gained))


def rows_shown(evidence: Evidence) -> tuple[int, ...]:
    """The rows of the test images whose pixels the page needs, each once, in order."""
    comparisons = filter(None, (evidence.champion, evidence.compression))
    return tuple(sorted({row for comparison in comparisons for row in choose_flips(comparison).rows}))
