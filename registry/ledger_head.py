"""The last row of the ledger that this workspace wrote, in a file: a chain cannot tell that its end is gone.

A process that is killed between row and file leaves the file one row behind, never ahead: that row must be
in the ledger as it was written, and the chain answers for those after it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from registry.workspace import Workspace
from vision.bundle import write_atomically
from vision.errors import RegistryError
from vision.file_lock import exclusive


@dataclass(frozen=True)
class Head:
    """A row's place and its hash."""

    sequence: int
    hash: str


def head_path(workspace: Workspace) -> Path:
    return workspace.registry / "ledger_head.json"


def read_head(workspace: Workspace) -> Head | None:
    """None where this workspace has written no row; RegistryError where the file is damaged."""
    path = head_path(workspace)
    try:
        return Head(**json.loads(path.read_text()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise RegistryError(
            f"{path} is damaged ({error}): put it back from a backup, or delete it; without it nobody can"
            " tell whether the ledger's last rows were deleted"
        ) from error


def advance_head(workspace: Workspace, head: Head) -> None:
    """Writes it, unless another process has written a later row meanwhile."""
    path = head_path(workspace)
    with exclusive(path.with_name(".ledger_head.lock")):
        known = read_head(workspace)
        if known is None or known.sequence < head.sequence:
            write_atomically(path, json.dumps(asdict(head)) + "\n")
