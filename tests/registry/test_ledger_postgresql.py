"""The ledger as a table of PostgreSQL: the same promises as in SQLite."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from registry import champion as champions
from registry import ledger
from registry.bundles import load_bundle
from registry.champion import champion, history, promote, rollback
from registry.ledger_check import check_ledger
from registry.new_ledger import begin_anew
from registry.pointer import ChampionPointer, read_pointer, write_pointer
from registry.versions import champion_alias
from registry.workspace import Workspace
from tests.registry.conftest import MODEL, Register
from tests.registry.ledger_rows import (
    TIME,
    append_versions,
    assert_models_share_the_ledger,
    assert_one_place_goes_to_one_writer,
    make_move,
)
from tests.registry.postgresql import postgresql
from tests.registry.test_ledger import OLD_HASH, OLD_ROW, OLD_TABLE
from vision.errors import PromotionConflict, RegistryError

BY = {"who": "ada@host", "why": "test"}


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with postgresql() as address:
        yield address


@pytest.fixture
def workspace(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fake_runtime: None) -> Workspace:
    """In place of SQLite's: `register` and all else use it. The ledger is empty."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    workspace = Workspace(tmp_path / "workspace")
    by_hand(workspace, "DROP TABLE IF EXISTS sightline_ledger")
    return workspace


def by_hand(workspace: Workspace, statement: str) -> None:
    with ledger.connect(workspace) as connection:
        connection.exec_driver_sql(statement)


@pytest.mark.slow  # MLflow makes its tables
def test_of_two_concurrent_promotions_one_wins(
    workspace: Workspace, register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(0.01)
    register(0.02)
    both_have_looked = threading.Barrier(2)

    def look_together(folder: Path) -> None:
        load_bundle(folder)
        both_have_looked.wait(timeout=60)

    monkeypatch.setattr(champions, "load_bundle", look_together)
    with ThreadPoolExecutor(2) as pool:
        tries = [pool.submit(promote, workspace, MODEL, version, **BY) for version in (1, 2)]

    (loser,) = [error for error in (attempt.exception() for attempt in tries) if error]
    assert isinstance(loser, PromotionConflict)
    (row,) = history(workspace, MODEL)
    assert read_pointer(workspace, MODEL).version == champion_alias(workspace, MODEL) == row.version

    monkeypatch.setattr(champions, "load_bundle", load_bundle)
    promote(workspace, MODEL, 3 - row.version, **BY)
    assert rollback(workspace, MODEL, **BY) == champion(workspace, MODEL)
    assert check_ledger(workspace) == ()


def test_one_place_goes_to_one_writer(workspace: Workspace) -> None:
    assert_one_place_goes_to_one_writer(workspace)


def test_a_table_that_another_writer_makes_in_between_is_no_fault(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    (first,) = append_versions(workspace, 1)
    create, looks = sa.schema.CreateTable, iter([False])  # once it did not see that the table is there
    monkeypatch.setattr(
        sa.schema,
        "CreateTable",
        lambda table, if_not_exists: create(table, if_not_exists=next(looks, if_not_exists)),
    )
    assert ledger.append(workspace, make_move(2), after=first).sequence == 2


def test_models_share_the_ledger(workspace: Workspace) -> None:
    assert_models_share_the_ledger(workspace)


def test_older_table_gains_the_columns(workspace: Workspace) -> None:
    by_hand(workspace, OLD_TABLE)
    by_hand(workspace, OLD_ROW)
    (old,) = ledger.entries(workspace, MODEL)

    second = ledger.append(workspace, replace(make_move(2), gate="{}"), after=old)

    assert (old.hash, second.previous_hash, second.gate) == (OLD_HASH, OLD_HASH, "{}")
    assert check_ledger(workspace) == ()


def test_edited_row_is_found_and_a_new_ledger_begun(workspace: Workspace) -> None:
    append_versions(workspace, 1, 2)
    write_pointer(workspace, ChampionPointer(MODEL, 2, "d" * 64))
    by_hand(workspace, "UPDATE sightline_ledger SET version = 9 WHERE sequence = 1")
    assert [(each.kind, each.first) for each in check_ledger(workspace)] == [("edited", 1)]

    name = begin_anew(workspace, who="ada", why="a slip", when=TIME)

    assert check_ledger(workspace) == ()
    assert [row.version for row in ledger.entries(workspace, MODEL)] == [2]
    by_hand(workspace, f"DROP TABLE {name}")


def test_reason_that_the_database_cannot_hold_is_refused(workspace: Workspace) -> None:
    with pytest.raises(RegistryError, match="NUL"):
        ledger.append(workspace, replace(make_move(1), why="a\0b"), after=None)

    assert ledger.entries(workspace, MODEL) == ()
