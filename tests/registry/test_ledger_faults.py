"""A database down, locked or full, files gone, a clock set back, a row edited: the champion stays."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest
import sqlalchemy as sa

from registry import champion as champions
from registry import ledger
from registry.champion import champion, history, plan_promotion, plan_rollback, promote, repair, rollback
from registry.ledger_check import check_ledger
from registry.ledger_head import head_path
from registry.pointer import bundle_path, pointer_path, read_pointer
from registry.reigns import clock_went_back, reigns
from registry.versions import champion_alias
from registry.workspace import Workspace
from tests.registry.conftest import MODEL, Register
from tests.registry.ledger_rows import append_versions, bare, by_hand, make_move
from vision.errors import BundleError, RegistryError

__all__ = ["bare"]

BY = {"who": "ada@host", "why": "test"}


@pytest.fixture
def second(workspace: Workspace, register: Register) -> Workspace:
    """Version 2 is champion after version 1; 3 is registered."""
    for scale in (0.01, 0.02, 0.03):
        register(scale)
    promote(workspace, MODEL, 1, **BY)
    promote(workspace, MODEL, 2, **BY)
    return workspace


@pytest.fixture
def no_room(bare: Workspace) -> Iterator[Workspace]:
    """A ledger of one row, whose database cannot grow by a page."""
    append_versions(bare, 1)

    def limit(connection: sqlite3.Connection, _record: object) -> None:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")

    sa.event.listen(sa.Engine, "connect", limit)
    yield bare
    sa.event.remove(sa.Engine, "connect", limit)


def test_full_disk_writes_no_row(no_room: Workspace) -> None:
    (first,) = ledger.entries(no_room, MODEL)
    large = replace(make_move(2), why="because " * 10_000)

    with pytest.raises(RegistryError, match="database or disk is full"):
        ledger.append(no_room, large, after=first)

    assert ledger.entries(no_room, MODEL) == (first,)
    assert check_ledger(no_room) == ()


def test_disk_full_behind_the_row_is_made_good(second: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("registry.ledger_head.write_atomically", no_space)
        with pytest.raises(OSError, match="No space left"):
            promote(second, MODEL, 3, **BY)
    assert read_pointer(second, MODEL).version == 2

    repair(second, MODEL)

    assert read_pointer(second, MODEL).version == champion(second, MODEL).version == 3
    assert check_ledger(second) == ()


def test_locked_database_is_said(bare: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    (first,) = append_versions(bare, 1)
    monkeypatch.setattr(ledger, "SQLITE_TIMEOUT_SECONDS", 0.05)
    file = bare.database.removeprefix("sqlite:///")

    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(RegistryError, match="database is locked; the service goes on"):
            ledger.append(bare, make_move(2), after=first)

    assert ledger.entries(bare, MODEL) == (first,)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("postgresql+psycopg://ada:secret@127.0.0.1:1/none", "the service goes on with what it has"),
        ("postgresql+nosuchdriver://127.0.0.1/none", "postgresql"),
        ("postgresql+pg8000://127.0.0.1/none", "pg8000"),  # a driver that is not installed
    ],
)
def test_database_that_is_down_or_has_no_driver_is_said(
    bare: Workspace, monkeypatch: pytest.MonkeyPatch, address: str, said: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)

    with pytest.raises(RegistryError, match=said) as refusal:
        ledger.append(bare, make_move(1), after=None)

    assert "MLFLOW_TRACKING_URI" in str(refusal.value)
    assert "secret" not in str(refusal.value)


def test_version_whose_files_are_gone_cannot_become_champion(second: Workspace) -> None:
    for version in (1, 3):
        shutil.rmtree(bundle_path(second, MODEL, version))

    with pytest.raises(
        BundleError, match='version 3 of "colours" cannot serve, no champion moved: no bundle'
    ):
        promote(second, MODEL, 3, **BY)
    with pytest.raises(
        BundleError, match='version 1 of "colours" cannot serve, no champion moved: no bundle'
    ):
        rollback(second, MODEL, **BY)

    assert (champion(second, MODEL).version, read_pointer(second, MODEL).version) == (2, 2)
    assert len(history(second, MODEL)) == 2


def test_champion_whose_files_are_gone_can_be_rolled_back(second: Workspace) -> None:
    shutil.rmtree(bundle_path(second, MODEL, 2))

    assert rollback(second, MODEL, **BY).version == 1
    assert read_pointer(second, MODEL).version == 1


def test_rows_keep_their_order_when_the_clock_is_set_back(
    second: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(champions, "utc_now", lambda: "1999-12-31T23:59:59.000+00:00")

    promote(second, MODEL, 3, **BY)

    rows = history(second, MODEL)
    assert clock_went_back(rows) == (3,)
    assert [reign.until for reign in reigns(rows)] == [rows[1].when, rows[2].when, None]
    assert champion(second, MODEL).version == 3
    assert check_ledger(second) == ()
    assert rollback(second, MODEL, **BY).version == 2


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE sightline_ledger SET version = 3 WHERE sequence = 2",
        "UPDATE sightline_ledger SET why = 'x' WHERE sequence = 1",
        "DELETE FROM sightline_ledger WHERE sequence = 2",
    ],
)
def test_nothing_moves_on_an_edited_ledger(second: Workspace, statement: str) -> None:
    by_hand(second, statement)

    for move in (
        lambda: promote(second, MODEL, 3, **BY),
        lambda: rollback(second, MODEL, **BY),
        lambda: plan_promotion(second, MODEL, 3),
        lambda: plan_rollback(second, MODEL),
        lambda: repair(second, MODEL),
    ):
        with pytest.raises(RegistryError, match=r"the ledger is damaged: row [12] was"):
            move()

    assert (read_pointer(second, MODEL).version, champion_alias(second, MODEL)) == (2, 2)


def test_dry_run_moves_nothing(second: Workspace) -> None:
    pointer_path(second, MODEL).unlink()  # which a repair would write again
    before = (history(second, MODEL), head_path(second).read_text())

    promotion, back = plan_promotion(second, MODEL, 3), plan_rollback(second, MODEL)

    assert (promotion.target.version, promotion.previous_version, promotion.is_needed) == (3, 2, True)
    assert (back.action, back.target.version, back.previous_version) == ("rollback", 1, 2)
    assert not plan_promotion(second, MODEL, 2).is_needed
    assert (history(second, MODEL), head_path(second).read_text()) == before
    assert not pointer_path(second, MODEL).exists()


def test_dry_run_opens_the_bundle(second: Workspace) -> None:
    (bundle_path(second, MODEL, 3) / "fake.json").write_text("{}")

    with pytest.raises(BundleError, match="sha256"):
        plan_promotion(second, MODEL, 3)
