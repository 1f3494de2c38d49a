"""One row a move: one place for one writer, chained to the row before, in old databases too."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest

from registry import ledger
from registry.ledger import row_hash
from registry.ledger_check import check_ledger
from registry.ledger_head import Head, advance_head, read_head
from registry.workspace import Workspace
from tests.registry.conftest import MODEL
from tests.registry.ledger_rows import (
    append_versions,
    assert_models_share_the_ledger,
    assert_one_place_goes_to_one_writer,
    bare,
    by_hand,
    make_move,
)
from vision.errors import PromotionConflict

__all__ = ["bare"]

# Table, row and hash as they were before rows had data, configuration, code and gate.
OLD_TABLE = """CREATE TABLE sightline_ledger (
 sequence INTEGER NOT NULL PRIMARY KEY, model VARCHAR(63) NOT NULL,
 version INTEGER NOT NULL, previous_version INTEGER, digest VARCHAR(64) NOT NULL, action VARCHAR(16) NOT NULL,
 who TEXT NOT NULL, why TEXT NOT NULL, "when" VARCHAR(32) NOT NULL, previous_hash VARCHAR(64) NOT NULL,
 hash VARCHAR(64) NOT NULL)"""
OLD_CONTENT = (
    '{"action": "promote", "digest": "abc", "model": "colours", "previous_hash": "",'
    ' "previous_version": null, "sequence": 1, "version": 1,'
    ' "when": "2026-01-01", "who": "ada", "why": "first"}'
)
OLD_HASH = hashlib.sha256(OLD_CONTENT.encode()).hexdigest()
OLD_ROW = f"""INSERT INTO sightline_ledger VALUES
 (1, 'colours', 1, NULL, 'abc', 'promote', 'ada', 'first', '2026-01-01', '', '{OLD_HASH}')"""


def test_ledger_gives_one_place_to_one_writer(bare: Workspace) -> None:
    assert_one_place_goes_to_one_writer(bare)


@pytest.mark.parametrize("rival_comes", ["before_the_question", "after_the_question"])
def test_rival_who_comes_while_a_row_is_written_wins(
    bare: Workspace, monkeypatch: pytest.MonkeyPatch, rival_comes: str
) -> None:
    question = ledger._refuse_if_moved

    def interrupted(*arguments: object) -> None:
        monkeypatch.setattr(ledger, "_refuse_if_moved", question)
        if rival_comes == "after_the_question":
            question(*arguments)  # type: ignore[arg-type]
        ledger.append(bare, make_move(2), after=None)
        if rival_comes == "before_the_question":
            question(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(ledger, "_refuse_if_moved", interrupted)
    with pytest.raises(PromotionConflict, match="is now version 2"):
        ledger.append(bare, make_move(1), after=None)

    assert [row.version for row in ledger.entries(bare, MODEL)] == [2]


def test_models_share_the_ledger_without_conflict(bare: Workspace) -> None:
    assert_models_share_the_ledger(bare)
    head = read_head(bare)
    assert head is not None
    assert head.sequence == 8


def test_ledger_rows_are_chained(bare: Workspace) -> None:
    first, second = append_versions(bare, 1, 2)

    assert second.previous_hash == first.hash == row_hash(first)
    assert ledger.entries(bare, MODEL) == (first, second)


@pytest.mark.parametrize("column", [column.name for column in ledger.LEDGER.columns if column.name != "hash"])
def test_every_column_is_part_of_the_hash(bare: Workspace, column: str) -> None:
    (row,) = append_versions(bare, 1)

    assert row_hash(replace(row, **{column: "another"})) != row.hash


def test_older_database_gains_the_columns_and_keeps_its_hashes(bare: Workspace) -> None:
    by_hand(bare, OLD_TABLE, OLD_ROW)
    (old,) = ledger.entries(bare, MODEL)  # reading changes no table
    assert (old.version, old.gate, row_hash(old)) == (1, None, OLD_HASH)

    move = replace(make_move(2), data_revision="d", config_digest="c", git_commit="g", gate="{}")
    ledger.append(bare, move, after=old)

    first, second = ledger.entries(bare, MODEL)
    assert first == old
    assert (second.previous_hash, second.data_revision, second.gate) == (OLD_HASH, "d", "{}")
    assert check_ledger(bare) == ()


def test_value_put_into_an_old_row_is_found(bare: Workspace) -> None:
    by_hand(bare, OLD_TABLE, OLD_ROW)
    (old,) = ledger.entries(bare, MODEL)
    ledger.append(bare, make_move(2), after=old)

    by_hand(bare, "UPDATE sightline_ledger SET git_commit = 'abc' WHERE sequence = 1")

    assert [(each.kind, each.first) for each in check_ledger(bare)] == [("edited", 1)]


def test_hash_is_that_of_the_content_as_json(bare: Workspace) -> None:
    (row,) = append_versions(bare, 1)

    content = {name: value for name, value in vars(row).items() if name not in ("hash", *ledger.ADDED)}
    assert row.hash == hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def test_head_never_goes_back(bare: Workspace) -> None:
    advance_head(bare, Head(5, "five"))
    advance_head(bare, Head(4, "four"))

    assert read_head(bare) == Head(5, "five")
