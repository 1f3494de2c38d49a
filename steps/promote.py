"""A registered version and the champion on the same test images -> the gate's decision, carried out."""

from __future__ import annotations

import logging
from typing import Annotated

from zenml import log_metadata, step

from registry.bundles import load_bundle
from registry.champion import find_champion, repair, withdrawal
from registry.champion import promote as promote_version
from registry.pointer import ChampionPointer, bundle_path
from registry.workspace import Workspace
from vision.comparison import score_on_test
from vision.evaluation import Evaluation
from vision.manifest import Manifest
from vision.promotion.decision import PromotionDecision, PromotionRules, Scores, decide, keep

logger = logging.getLogger(__name__)
WHO = "training pipeline"


@step(enable_cache=False)
def promote(
    version: int, evaluation: Evaluation, manifest: Manifest, rules: PromotionRules, name: str
) -> Annotated[PromotionDecision, "promotion_decision"]:
    """Moves the champion where the gate says so."""
    workspace = Workspace.from_environment()
    repair(workspace, name)  # what a killed run began: else its champion is never served
    champion = find_champion(workspace, name)
    decision = _settled(workspace, name, version, champion) or decide(
        evaluation.scores, _scores(champion, manifest, workspace) if champion else None, rules
    )
    why = "; ".join(decision.reasons)
    if decision.action == "promote":
        expected = champion.version if champion else None
        promote_version(workspace, name, version, who=WHO, why=why, expected=expected)
    # A warning, because ZenML shows no other logger's information and this is what everybody waits for.
    logger.warning("%s version %s, decision: %s: %s", name, version, decision.action, why)
    log_metadata({"action": decision.action, "reasons": why})
    return decision


def _settled(
    workspace: Workspace, name: str, version: int, champion: ChampionPointer | None
) -> PromotionDecision | None:
    """The decision where the version's own history makes it; None where the gate is to judge."""
    if champion is not None and champion.version == version:
        return keep(f"version {version} is the champion already")
    withdrawn = withdrawal(workspace, name, version)
    if withdrawn is None:
        return None
    return keep(
        f"version {version} was rolled back by {withdrawn.who} ({withdrawn.why});"
        f" `sightline promote {version}` brings it back"
    )


def _scores(champion: ChampionPointer, manifest: Manifest, workspace: Workspace) -> Scores:
    classifier = load_bundle(bundle_path(workspace, champion.model, champion.version))
    return score_on_test(classifier, manifest, workspace.prepared)
