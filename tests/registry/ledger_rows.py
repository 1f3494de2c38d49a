"""A workspace without MLflow's tables, moves for its ledger, writers that race, and a hand that edits it."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from registry import ledger
from registry.ledger import Action, LedgerEntry, Move
from registry.ledger_check import check_ledger
from registry.workspace import Workspace
from tests.registry.conftest import MODEL
from vision.errors import PromotionConflict

TIME = "2026-11-22T01:05:33.000+00:00"


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace in which the ledger's database is still to be made."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return Workspace(tmp_path / "bare")


def make_move(version: int, action: Action = "promote", *, model: str = MODEL, when: str = TIME) -> Move:
    return Move(
        model=model,
        version=version,
        previous_version=None,
        digest="d" * 64,
        action=action,
        who="ada",
        why="test",
        when=when,
    )


def make_row(sequence: int, version: int, action: Action = "promote", when: str = TIME) -> LedgerEntry:
    move = make_move(version, action, when=when)
    return LedgerEntry(**vars(move), sequence=sequence, previous_hash="", hash="")


def append_versions(workspace: Workspace, *versions: int, model: str = MODEL) -> list[LedgerEntry]:
    """One promotion after the other."""
    rows: list[LedgerEntry] = []
    for version in versions:
        move = make_move(version, model=model)
        rows.append(ledger.append(workspace, move, after=rows[-1] if rows else None))
    return rows


def by_hand(workspace: Workspace, *statements: str) -> None:
    """What a person does to the SQLite database behind Sightline's back."""
    with closing(sqlite3.connect(workspace.database.removeprefix("sqlite:///"))) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def assert_one_place_goes_to_one_writer(workspace: Workspace) -> None:
    """Eight writers at once want the first place of a model; the ledger is empty before."""

    def try_append(version: int) -> LedgerEntry | PromotionConflict:
        try:
            return ledger.append(workspace, make_move(version), after=None)
        except PromotionConflict as conflict:
            return conflict

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(try_append, range(1, 9)))

    assert sum(isinstance(result, LedgerEntry) for result in results) == 1
    assert len(ledger.entries(workspace, MODEL)) == 1


def assert_models_share_the_ledger(workspace: Workspace) -> None:
    """Four writers at once append rows of eight models; the ledger is empty before."""
    with ThreadPoolExecutor(4) as pool:
        moves = [make_move(1, model=f"model{number}") for number in range(8)]
        rows = list(pool.map(lambda move: ledger.append(workspace, move, after=None), moves))

    assert sorted(row.sequence for row in rows) == list(range(1, 9))
    assert check_ledger(workspace) == ()
