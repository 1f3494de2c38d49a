"""From when to when each version served, and whom a rollback can return to: pure readings of the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from registry.ledger import LedgerEntry
from vision.errors import RegistryError


@dataclass(frozen=True)
class Reign:
    """A version served from the move on, `until` the next one's time; None where it still serves."""

    move: LedgerEntry
    until: str | None


def reigns(moves: Sequence[LedgerEntry]) -> tuple[Reign, ...]:
    """One a move, oldest first."""
    ends = [move.when for move in moves[1:]]
    return tuple(Reign(move, end) for move, end in zip(moves, [*ends, None], strict=False))


def clock_went_back(rows: Sequence[LedgerEntry]) -> tuple[int, ...]:
    """Numbers of the rows whose time is before that of the row before them; the number is what counts."""
    # As text: the times have one form and one zone, and one that was written by hand stops nobody.
    return tuple(row.sequence for before, row in pairwise(rows) if row.when < before.when)


def earlier_champions(moves: Sequence[LedgerEntry]) -> tuple[int, ...]:
    """Champions before the present one that were not rolled back, the last one last.

    A rollback takes back promotions: after 1, 2, 3 and a rollback to 2, only 1 is left.
    """
    reigns: list[int] = []
    for move in moves:
        if move.action == "rollback":
            while reigns and reigns[-1] != move.version:
                reigns.pop()
        if not reigns or reigns[-1] != move.version:
            reigns.append(move.version)
    return tuple(reigns[:-1])


def choose_earlier(moves: Sequence[LedgerEntry], to: int | None) -> int:
    """The champion before the present one, or the earlier champion `to`; RegistryError if it was none."""
    choices = earlier_champions(moves)
    model = moves[-1].model
    if not choices:
        raise RegistryError(
            f'"{model}" has no champion before version {moves[-1].version}, so there is none to go back to:'
            " promote another version with `sightline promote VERSION`"
        )
    if to is None:
        return choices[-1]
    if to not in choices:
        allowed = ", ".join(str(version) for version in sorted(set(choices)))
        raise RegistryError(
            f'cannot roll "{model}" back to version {to}: earlier champions are {allowed};'
            f" to make another version champion, `sightline promote {to}`"
        )
    return to
