"""Whether the ledger is as Sightline wrote it, and which rows are not.

Each row holds the sha256 of its content and of the row before it, numbers have no gaps, and a file beside
the registry knows the last row that this workspace wrote. A move and `sightline status` check the whole
ledger before they trust it. What nobody can tell: a row with right hashes that was added at the end, or
all of it, file included, made anew; there is no secret in a hash. Who may write to the database is for its
rights to say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Literal

from registry.ledger import LedgerEntry, all_entries, row_hash
from registry.ledger_head import Head, read_head
from registry.workspace import Workspace
from vision.errors import RegistryError

Kind = Literal["edited", "replaced", "inserted", "deleted"]
NAMED = 5
WHAT: dict[Kind, str] = {
    "edited": "was edited or written by hand: its content does not give its hash",
    "replaced": "was replaced: it is not the row that was written there",
    "inserted": "was inserted: the ledger begins with row 1",
    "deleted": "was deleted",
}


@dataclass(frozen=True)
class Damage:
    """What was done by hand to the rows `first` to `last`, which are one row but where they were deleted."""

    kind: Kind
    first: int
    last: int

    def __str__(self) -> str:
        if self.first == self.last:
            return f"row {self.first} {WHAT[self.kind]}"
        return f"rows {self.first} to {self.last} were {self.kind}"


def check_ledger(workspace: Workspace) -> tuple[Damage, ...]:
    """All damage of the whole ledger, of every model; empty where it is as it was written."""
    head = read_head(workspace)  # before the rows: another process may add some meanwhile
    return tuple(find_damage(all_entries(workspace), head))


def refuse_damaged(workspace: Workspace) -> None:
    """RegistryError that names the rows, and says how to go on, where the ledger is damaged."""
    damage = check_ledger(workspace)
    if not damage:
        return
    named = "; ".join(str(each) for each in damage[:NAMED])
    more = f"; and {len(damage) - NAMED} more, see `sightline history --check`" if damage[NAMED:] else ""
    raise RegistryError(
        f"the ledger is damaged: {named}{more}. Nothing was moved, and the service goes on with what it has."
        " Put the rows back from a backup of the database, or begin a new ledger with the champions that"
        " serve: `sightline history --new-ledger --reason TEXT`, which keeps the old one"
    )


def find_damage(rows: Iterable[LedgerEntry], head: Head | None) -> Iterator[Damage]:
    """The damage of rows in their order, of which `head` is one that must be there."""
    last = 0
    judged = ((row, row_hash(row) == row.hash) for row in rows)
    for (row, is_whole), (following, is_next_whole) in pairwise(chain(judged, [(None, False)])):
        assert row is not None, "only the end is followed by nothing"
        if row.sequence > last + 1:
            yield Damage("deleted", last + 1, row.sequence - 1)
        last = max(last, row.sequence)
        # What a row says of the one before it counts where the row itself is whole.
        kind = _fault(row, following if is_next_whole else None, head) if is_whole else "edited"
        if kind is not None:
            yield Damage(kind, row.sequence, row.sequence)
    if head is not None and head.sequence > last:
        yield Damage("deleted", last + 1, head.sequence)


def _fault(row: LedgerEntry, following: LedgerEntry | None, head: Head | None) -> Kind | None:
    """Of a row whose own hash is right: whether its neighbours, or `head`, knew another in its place."""
    if row.sequence < 1:
        return "inserted"
    is_next = following is not None and following.sequence == row.sequence + 1
    if following is not None and is_next and following.previous_hash != row.hash:
        return "replaced"
    if head is not None and head.sequence == row.sequence and head.hash != row.hash:
        return "replaced"
    return "replaced" if row.sequence == 1 and row.previous_hash else None
