"""What is read from the ledger's rows: who may be returned to, and who served from when to when."""

from __future__ import annotations

import pytest

from registry.ledger import Action
from registry.reigns import clock_went_back, earlier_champions, reigns
from tests.registry.ledger_rows import make_row


@pytest.mark.parametrize(
    ("moves", "earlier"),
    [
        ([], ()),
        ([("promote", 1)], ()),
        ([("promote", 1), ("promote", 2), ("promote", 3)], (1, 2)),
        ([("promote", 1), ("promote", 2), ("promote", 3), ("rollback", 2)], (1,)),
        ([("promote", 1), ("promote", 2), ("rollback", 1), ("promote", 3)], (1,)),
        ([("promote", 1), ("promote", 2), ("promote", 1)], (1, 2)),
    ],
)
def test_earlier_champions(moves: list[tuple[Action, int]], earlier: tuple[int, ...]) -> None:
    rows = [make_row(number, version, action) for number, (action, version) in enumerate(moves, 1)]
    assert earlier_champions(rows) == earlier


def test_reign_ends_when_the_next_begins() -> None:
    rows = [make_row(1, 1, when="2026-11-01"), make_row(3, 2, when="2026-11-05")]

    first, second = reigns(rows)

    assert (first.move.version, first.until) == (1, "2026-11-05")
    assert (second.move.version, second.until) == (2, None)
    assert reigns([]) == ()


def test_row_of_an_earlier_time_than_the_one_before_is_named() -> None:
    rows = [
        make_row(1, 1, when="2026-11-05"),
        make_row(4, 2, when="2026-11-01"),
        make_row(5, 3, when="2026-11-02"),
    ]

    assert clock_went_back(rows) == (4,)
    assert clock_went_back([]) == ()
