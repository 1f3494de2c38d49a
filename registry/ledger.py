"""The ledger: one row a move of a champion, in the same database as MLflow's registry, only ever appended.

Its last promote or rollback row of a model IS the champion; MLflow's alias and the pointer file follow
it. Every row carries the sha256 of itself and of the row before it, so that a changed row can be found
(ledger_check.py). The order of the rows is that of their numbers, whatever the clock said.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import sqlalchemy as sa

from registry.ledger_head import Head, advance_head
from registry.workspace import Workspace
from vision.errors import PromotionConflict, RegistryError

Action = Literal["promote", "rollback", "repair"]
MOVES = ("promote", "rollback")
ATTEMPTS = 20
# SQLite has one writer at a time; the others wait this long before they give up.
SQLITE_TIMEOUT_SECONDS = 30
# Columns that older ledgers do not have. Where they are NULL they are no part of the row's hash.
ADDED = ("data_revision", "config_digest", "git_commit", "gate")
ROWS_AT_A_TIME = 1000
# PostgreSQL's codes: duplicate_object (the table's type), duplicate_table, duplicate_column.
JUST_MADE = ("42710", "42P07", "42701")

LEDGER = sa.Table(
    "sightline_ledger",
    sa.MetaData(),
    # Given by us, never by the database: of two writers of one number, the key lets in only one.
    sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("model", sa.String(63), nullable=False, index=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("previous_version", sa.Integer),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("action", sa.String(16), nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("when", sa.String(32), nullable=False),
    sa.Column("previous_hash", sa.String(64), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
    *(sa.Column(name, sa.Text) for name in ADDED),
)


@dataclass(frozen=True, kw_only=True)
class Move:
    """What is to be remembered; `digest` is the bundle's, `when` UTC in ISO 8601, `gate` JSON.

    Data, configuration and code are those of the version's lineage. None: a row of before they were kept;
    of `gate` also a move without one.
    """

    model: str
    version: int
    previous_version: int | None
    digest: str
    action: Action
    who: str
    why: str
    when: str
    data_revision: str | None = None
    config_digest: str | None = None
    git_commit: str | None = None
    gate: str | None = None


@dataclass(frozen=True, kw_only=True)
class LedgerEntry(Move):
    """A move with its place in the ledger."""

    sequence: int
    previous_hash: str
    hash: str


def append(workspace: Workspace, move: Move, *, after: LedgerEntry | None) -> LedgerEntry:
    """The new row; PromotionConflict where `after` is no longer the last move of the model."""
    for _ in range(ATTEMPTS):
        try:
            with connect(workspace) as connection:
                _make_table(connection)
                # The place first, then the question: a row written after this reading takes our place.
                entry = next_entry(move, _last(connection))
                _refuse_if_moved(connection, move.model, after)
                connection.execute(LEDGER.insert().values(**asdict(entry)))
        except (sa.exc.IntegrityError, _JustMadeError):  # by another writer: look again whose move it was
            continue
        advance_head(workspace, Head(entry.sequence, entry.hash))
        return entry
    raise PromotionConflict(f'the ledger gave no place to "{move.model}" in {ATTEMPTS} attempts; try again')


def entries(workspace: Workspace, model: str) -> tuple[LedgerEntry, ...]:
    """All rows of a model, oldest first. Reading makes neither database nor table."""
    return tuple(_read(workspace, LEDGER.c.model == model))


def all_entries(workspace: Workspace) -> Iterator[LedgerEntry]:
    """The whole ledger, oldest row first, a part of it in memory."""
    return _read(workspace)


def moves(workspace: Workspace, model: str) -> tuple[LedgerEntry, ...]:
    """The rows that made a champion, oldest first."""
    return tuple(entry for entry in entries(workspace, model) if entry.action in MOVES)


def row_hash(entry: LedgerEntry) -> str:
    """Hex sha256 of the row's content, the hash of the row before it included."""
    content = {
        name: value
        for name, value in vars(entry).items()
        if name != "hash" and not (value is None and name in ADDED)
    }
    # Nothing that a person put into the table may stop the check: such a value has another hash, that is all.
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=repr).encode()).hexdigest()


def next_entry(move: Move, last: LedgerEntry | None) -> LedgerEntry:
    """The move in its place after the last row."""
    sequence, previous_hash = (last.sequence + 1, last.hash) if last else (1, "")
    unsigned = LedgerEntry(**asdict(move), sequence=sequence, previous_hash=previous_hash, hash="")
    return replace(unsigned, hash=row_hash(unsigned))


def has_database(workspace: Workspace) -> bool:
    """False where SQLite's file is still to be made, so that a question need not make it."""
    url = workspace.database
    return not url.startswith("sqlite:///") or Path(url.removeprefix("sqlite:///")).is_file()


def _refuse_if_moved(connection: sa.Connection, model: str, after: LedgerEntry | None) -> None:
    last = _last(connection, LEDGER.c.model == model, LEDGER.c.action.in_(MOVES))
    if last != after:
        now = f"version {last.version} ({last.action} by {last.who})" if last else "none"
        raise PromotionConflict(
            f'the champion of "{model}" was moved in between and is now {now}:'
            " look at `sightline status` and decide again"
        )


def _last(connection: sa.Connection, *conditions: sa.ColumnElement[bool]) -> LedgerEntry | None:
    query = LEDGER.select().where(*conditions).order_by(LEDGER.c.sequence.desc()).limit(1)
    row = connection.execute(query).mappings().first()
    return LedgerEntry(**row) if row else None


def _read(workspace: Workspace, *conditions: sa.ColumnElement[bool]) -> Iterator[LedgerEntry]:
    if not has_database(workspace):
        return
    with connect(workspace) as connection:
        if not sa.inspect(connection).has_table(LEDGER.name):
            return
        missing = _missing_columns(connection)
        query = sa.select(*(column for column in LEDGER.c if column.name not in missing))
        rows = connection.execute(query.where(*conditions).order_by(LEDGER.c.sequence))
        for row in rows.yield_per(ROWS_AT_A_TIME).mappings():
            yield LedgerEntry(**row)


class _JustMadeError(Exception):
    """Another writer made the table, or a column of it, after this one had looked."""


def _make_table(connection: sa.Connection) -> None:
    """The table with all its columns, made or completed where need be; _JustMadeError."""
    try:
        connection.execute(sa.schema.CreateTable(LEDGER, if_not_exists=True))
        for name in _missing_columns(connection):
            connection.execute(sa.text(f"ALTER TABLE {LEDGER.name} ADD COLUMN {name} TEXT"))
    except sa.exc.ProgrammingError as error:
        if getattr(error.orig, "sqlstate", None) in JUST_MADE:
            raise _JustMadeError from error
        raise


def _missing_columns(connection: sa.Connection) -> tuple[str, ...]:
    present = {column["name"] for column in sa.inspect(connection).get_columns(LEDGER.name)}
    return tuple(name for name in ADDED if name not in present)


@contextmanager
def connect(workspace: Workspace) -> Iterator[sa.Connection]:
    """A transaction that is committed when the block ends well; RegistryError if there is no database."""
    url = workspace.database
    options = {"timeout": SQLITE_TIMEOUT_SECONDS} if url.startswith("sqlite") else {}
    try:
        engine = sa.create_engine(url, poolclass=sa.NullPool, connect_args=options)
    except (sa.exc.ArgumentError, ImportError) as error:
        raise RegistryError(
            f"MLFLOW_TRACKING_URI is no database that the ledger can be a table of ({error}):"
            " set it to sqlite:///FILE or postgresql+psycopg://..., or leave it unset"
        ) from error
    try:
        with engine.begin() as connection:
            yield connection
    except sa.exc.DBAPIError as error:
        if isinstance(error, sa.exc.IntegrityError):
            raise
        raise RegistryError(
            f"the registry's database {engine.url!r} failed: {error.orig}; the service goes on with what it"
            " has; where the database is, MLFLOW_TRACKING_URI says"
        ) from error
    finally:
        engine.dispose()
