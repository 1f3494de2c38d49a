"""A new ledger where the old one is damaged: it begins with the champions that serve, the old one is kept."""

from __future__ import annotations

import sqlalchemy as sa

from registry.ledger import LEDGER, LedgerEntry, Move, connect, next_entry
from registry.ledger_check import check_ledger
from registry.ledger_head import Head, advance_head, head_path
from registry.pointer import ChampionPointer, read_pointer
from registry.workspace import Workspace
from vision.errors import RegistryError


def begin_anew(workspace: Workspace, *, who: str, why: str, when: str) -> str:
    """The name that the old table has from now on; `when` is UTC in ISO 8601.

    Each model's first row is the champion of its pointer file. RegistryError where nothing is damaged.
    """
    damage = check_ledger(workspace)
    if not damage:
        raise RegistryError("the ledger is as it was written: there is nothing to begin anew for")
    old_name = f"{LEDGER.name}_until_{''.join(filter(str.isdecimal, when))[:14]}"
    reason = f"{why}; the ledger before is the table {old_name}: {'; '.join(map(str, damage))}"
    moves = [_first_move(pointer, who=who, why=reason, when=when) for pointer in _pointers(workspace)]
    # First, so that a process killed here finds a damaged ledger again, or none.
    head_path(workspace).unlink(missing_ok=True)
    rows = _exchange_tables(workspace, old_name, moves)
    if rows:
        advance_head(workspace, Head(rows[-1].sequence, rows[-1].hash))
    return old_name


def _pointers(workspace: Workspace) -> list[ChampionPointer]:
    models = sorted(path.parent.name for path in workspace.registry.glob("*/champion.json"))
    return [read_pointer(workspace, model) for model in models]


def _first_move(pointer: ChampionPointer, *, who: str, why: str, when: str) -> Move:
    return Move(
        model=pointer.model,
        version=pointer.version,
        previous_version=None,
        digest=pointer.digest,
        action="promote",
        who=who,
        why=why,
        when=when,
    )


def _exchange_tables(workspace: Workspace, old_name: str, moves: list[Move]) -> list[LedgerEntry]:
    """The rows of the new table; one transaction with the renaming of the old."""
    rows: list[LedgerEntry] = []
    for move in moves:
        rows.append(next_entry(move, rows[-1] if rows else None))
    with connect(workspace) as connection:
        if connection.dialect.name == "sqlite":  # Python's driver begins none before the first row is written
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        if sa.inspect(connection).has_table(LEDGER.name):
            connection.execute(sa.text(f"ALTER TABLE {LEDGER.name} RENAME TO {old_name}"))
        connection.execute(sa.schema.CreateTable(LEDGER))
        for row in rows:
            connection.execute(LEDGER.insert().values(**vars(row)))
    return rows
