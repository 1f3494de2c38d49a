"""Who is champion, and the one atomic move that changes it: a row in the ledger.

The pointer file and MLflow's alias follow from that row. A process killed in between is made good by the
next move, or by `repair`. Nothing moves on a ledger that was edited by hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from registry import ledger
from registry.bundles import load_bundle
from registry.following import champion_lock, follow, last_move, mend, repair, utc_now
from registry.ledger import Action, LedgerEntry, Move
from registry.ledger_check import refuse_damaged
from registry.model_version import ModelVersion
from registry.pointer import MAKE_CHAMPION, ChampionPointer
from registry.reigns import choose_earlier
from registry.traffic import end_traffic
from registry.versions import get_version
from registry.workspace import Workspace
from vision.bundle import bundle_digest
from vision.errors import BundleError, NoChampion, PromotionConflict

__all__ = [
    "ANY",
    "Expectation",
    "PlannedMove",
    "champion",
    "find_champion",
    "history",
    "plan_promotion",
    "plan_rollback",
    "promote",
    "repair",
    "rollback",
    "withdrawal",
]


class Expectation(Enum):
    """Whom a promotion may replace, beside a version or None (nobody)."""

    ANY = "any"


ANY: Final = Expectation.ANY


@dataclass(frozen=True)
class PlannedMove:
    """A move that can be made: the bundle of `target` was opened and gave the golden answers.

    `present` is the row that made the present champion, None where there is none.
    """

    action: Action
    target: ModelVersion
    present: LedgerEntry | None

    @property
    def previous_version(self) -> int | None:
        return self.present.version if self.present else None

    @property
    def is_needed(self) -> bool:
        """False where the target is the champion already."""
        return self.previous_version != self.target.version

    @property
    def pointer(self) -> ChampionPointer:
        return ChampionPointer(self.target.model, self.target.version, self.target.digest)


def promote(
    workspace: Workspace,
    model: str,
    version: int,
    *,
    who: str,
    why: str,
    gate: str = "",
    expected: int | Expectation | None = ANY,
) -> ChampionPointer:
    """The new champion; before anything moves its bundle is opened and must give the golden answers.

    `gate` is the gate's result, JSON, for the ledger. `expected` is the champion that the caller knew (None:
    there was none); PromotionConflict if it is another by now. Promoting the champion again changes nothing.
    """
    planned = plan_promotion(workspace, model, version)
    mend(workspace, model)
    if planned.is_needed:
        _refuse_unexpected(planned, expected)
        _move(workspace, planned, who=who, why=why, gate=gate)
    return planned.pointer


def rollback(
    workspace: Workspace, model: str, *, to: int | None = None, who: str, why: str
) -> ChampionPointer:
    """The champion before the present one, or the earlier champion `to`; RegistryError if there is none."""
    planned = plan_rollback(workspace, model, to=to)
    mend(workspace, model)
    _move(workspace, planned, who=who, why=why)
    return planned.pointer


def plan_promotion(workspace: Workspace, model: str, version: int) -> PlannedMove:
    """What `promote` would do. Nothing is moved; the errors are those of the move."""
    refuse_damaged(workspace)
    present = last_move(workspace, model)
    return PlannedMove("promote", _opened(workspace, model, version), present)


def plan_rollback(workspace: Workspace, model: str, *, to: int | None = None) -> PlannedMove:
    """What `rollback` would do, in the same way."""
    refuse_damaged(workspace)
    champion(workspace, model)
    moves = ledger.moves(workspace, model)
    return PlannedMove("rollback", _opened(workspace, model, choose_earlier(moves, to)), moves[-1])


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


def _refuse_unexpected(planned: PlannedMove, expected: int | Expectation | None) -> None:
    if expected is not ANY and expected != planned.previous_version:
        raise PromotionConflict(
            f'the champion of "{planned.target.model}" is version {planned.previous_version}, expected was'
            f" {expected}: it was moved in between; look at `sightline status` and decide again"
        )


def _opened(workspace: Workspace, model: str, version: int) -> ModelVersion:
    """A version whose bundle is the registered one and answers as it should."""
    registered = get_version(workspace, model, version)
    try:
        load_bundle(registered.bundle)
    except BundleError as error:
        raise BundleError(
            f'version {version} of "{model}" cannot serve, no champion moved: {error}'
        ) from error
    if bundle_digest(registered.bundle) != registered.digest:
        raise BundleError(
            f"{registered.bundle} is not the bundle that was registered as version {version}:"
            " restore it, or register the model again"
        )
    return registered


def _move(workspace: Workspace, planned: PlannedMove, *, who: str, why: str, gate: str = "") -> None:
    target, lineage = planned.target, planned.target.lineage
    move = Move(
        model=target.model,
        version=target.version,
        previous_version=planned.previous_version,
        digest=target.digest,
        action=planned.action,
        who=who,
        why=why,
        when=utc_now(),
        data_revision=lineage.data_revision,
        config_digest=lineage.config_digest,
        git_commit=lineage.git_commit,
        gate=gate or None,
    )
    with champion_lock(workspace, target.model):
        ledger.append(workspace, move, after=planned.present)
        follow(workspace, target.model)
    end_traffic(workspace, target.model, reason=f"version {target.version} became champion")
