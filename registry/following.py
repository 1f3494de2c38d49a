"""What follows the ledger: the pointer file that the service reads, and MLflow's alias.

Both can lag only where a process was killed behind the ledger's row; `repair` makes them follow then.
"""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TextIO

from registry import ledger
from registry.ledger import LedgerEntry, Move
from registry.ledger_check import refuse_damaged
from registry.pointer import ChampionPointer, pointer_path, read_pointer, write_pointer
from registry.versions import champion_alias, move_alias
from registry.workspace import Workspace
from vision.errors import RegistryError
from vision.file_lock import exclusive

logger = logging.getLogger(__name__)


def last_move(workspace: Workspace, model: str) -> LedgerEntry | None:
    """The row that made the present champion."""
    moves = ledger.moves(workspace, model)
    return moves[-1] if moves else None


def champion_lock(workspace: Workspace, model: str) -> AbstractContextManager[TextIO]:
    """Held over a ledger's row and what follows from it, so that nobody sees a move half done."""
    return exclusive(pointer_path(workspace, model).with_name(".champion.lock"))


def repair(workspace: Workspace, model: str) -> tuple[str, ...]:
    """What had not followed the ledger and does now, in words; the ledger gets a row that says so.

    RegistryError, and nothing is moved, where the ledger is damaged: what it says may be anybody's.
    """
    refuse_damaged(workspace)
    return mend(workspace, model)


def mend(workspace: Workspace, model: str) -> tuple[str, ...]:
    """The same for a ledger that was checked."""
    if last_move(workspace, model) is None:
        return ()
    with champion_lock(workspace, model):
        mended = follow(workspace, model)
        last = last_move(workspace, model)
        if mended and last is not None:
            ledger.append(workspace, _repair_row(last, mended), after=last)
    return mended


def follow(workspace: Workspace, model: str) -> tuple[str, ...]:
    """Pointer and alias as the ledger's last move has them; returns what was changed. Under the lock."""
    last = last_move(workspace, model)
    if last is None:
        return ()
    # The pointer first: the service waits for it, and MLflow takes seconds.
    return _follow_pointer(workspace, last) + _follow_alias(workspace, last)


def utc_now() -> str:
    """ISO 8601 to the millisecond, as the ledger has it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _follow_pointer(workspace: Workspace, last: LedgerEntry) -> tuple[str, ...]:
    wanted = ChampionPointer(last.model, last.version, last.digest)
    try:
        found = f"version {read_pointer(workspace, last.model).version}"
        if read_pointer(workspace, last.model) == wanted:
            return ()
    except RegistryError:  # none yet, or damaged
        found = "nothing readable"
    write_pointer(workspace, wanted)
    return (f"pointer from {found} to version {last.version}",)


def _follow_alias(workspace: Workspace, last: LedgerEntry) -> tuple[str, ...]:
    try:
        found = champion_alias(workspace, last.model)
        if found == last.version:
            return ()
        move_alias(workspace, last.model, last.version)
    except RegistryError as error:
        # A champion deleted in MLflow by hand must not stop the promotion of another.
        logger.warning("MLflow's alias does not follow version %d: %s", last.version, error)
        return ()
    return (f"alias from {'nothing' if found is None else f'version {found}'} to version {last.version}",)


def _repair_row(last: LedgerEntry, mended: tuple[str, ...]) -> Move:
    move = Move(**{name: getattr(last, name) for name in Move.__dataclass_fields__})
    return replace(
        move,
        action="repair",
        previous_version=last.version,
        who="sightline",
        why="; ".join(mended),
        when=utc_now(),
        gate=None,
    )
