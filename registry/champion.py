"""Who is champion, and the one atomic move that changes it: a row in the ledger.

The pointer file and MLflow's alias follow from that row. A process killed in between is made good by
`repair`, with which promote and rollback begin.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from registry import ledger
from registry.bundles import load_bundle
from registry.following import champion_lock, follow, last_move, repair, utc_now
from registry.ledger import Action, LedgerEntry, Move
from registry.pointer import MAKE_CHAMPION, ChampionPointer
from registry.reigns import choose_earlier
from registry.traffic import end_traffic
from registry.versions import get_version
from registry.workspace import Workspace
from vision.bundle import bundle_digest
from vision.errors import BundleError, NoChampion, PromotionConflict

__all__ = ["ANY", "Expectation", "champion", "history", "promote", "repair", "rollback"]


class Expectation(Enum):
    """Whom a promotion may replace, beside a version or None (nobody)."""

    ANY = "any"


ANY: Final = Expectation.ANY


def promote(
    workspace: Workspace,
    model: str,
    version: int,
    *,
    who: str,
    why: str,
    expected: int | Expectation | None = ANY,
) -> ChampionPointer:
    """The new champion; before anything moves its bundle is opened and must give the golden answers.

    `expected` is the champion that the caller knew (None: there was none); PromotionConflict if it is
    another by now. Promoting the champion again changes nothing.
    """
    repair(workspace, model)
    present = last_move(workspace, model)
    pointer = _registered(workspace, model, version)
    if present is not None and present.version == version:
        return pointer
    _refuse_unexpected(model, present, expected)
    return _move(workspace, pointer, "promote", present=present, who=who, why=why)


def rollback(
    workspace: Workspace, model: str, *, to: int | None = None, who: str, why: str
) -> ChampionPointer:
    """The champion before the present one, or the earlier champion `to`; RegistryError if there is none."""
    repair(workspace, model)
    present = last_move(workspace, model)
    champion(workspace, model)
    version = choose_earlier(ledger.moves(workspace, model), to)
    pointer = _registered(workspace, model, version)
    return _move(workspace, pointer, "rollback", present=present, who=who, why=why)


def champion(workspace: Workspace, model: str) -> ChampionPointer:
    """The champion by the ledger; NoChampion where none was promoted."""
    present = find_champion(workspace, model)
    if present is None:
        raise NoChampion(f'"{model}" has no champion yet: {MAKE_CHAMPION}')
    return present


def find_champion(workspace: Workspace, model: str) -> ChampionPointer | None:
    """The champion by the ledger, or None."""
    present = last_move(workspace, model)
    return ChampionPointer(model, present.version, present.digest) if present else None


def withdrawal(workspace: Workspace, model: str, version: int) -> LedgerEntry | None:
    """The rollback that ended the version's last reign; None where a promotion did, or it never reigned."""
    endings = [move for move in ledger.moves(workspace, model) if move.previous_version == version]
    return endings[-1] if endings and endings[-1].action == "rollback" else None


def history(workspace: Workspace, model: str) -> tuple[LedgerEntry, ...]:
    """Every row of the ledger, oldest first."""
    return ledger.entries(workspace, model)


def _refuse_unexpected(model: str, present: LedgerEntry | None, expected: int | Expectation | None) -> None:
    number = present.version if present else None
    if expected is not ANY and expected != number:
        raise PromotionConflict(
            f'the champion of "{model}" is version {number}, expected was {expected}: it was moved in'
            " between; look at `sightline status` and decide again"
        )


def _registered(workspace: Workspace, model: str, version: int) -> ChampionPointer:
    """A pointer to a version whose bundle is the registered one and answers as it should."""
    registered = get_version(workspace, model, version)
    load_bundle(registered.bundle)
    if bundle_digest(registered.bundle) != registered.digest:
        raise BundleError(
            f"{registered.bundle} is not the bundle that was registered as version {version}:"
            " restore it, or register the model again"
        )
    return ChampionPointer(model, version, registered.digest)


def _move(
    workspace: Workspace,
    pointer: ChampionPointer,
    action: Action,
    *,
    present: LedgerEntry | None,
    who: str,
    why: str,
) -> ChampionPointer:
    move = Move(
        model=pointer.model,
        version=pointer.version,
        previous_version=present.version if present else None,
        digest=pointer.digest,
        action=action,
        who=who,
        why=why,
        when=utc_now(),
    )
    with champion_lock(workspace, pointer.model):
        ledger.append(workspace, move, after=present)
        follow(workspace, pointer.model)
    end_traffic(workspace, pointer.model, reason=f"version {pointer.version} became champion")
    return pointer
