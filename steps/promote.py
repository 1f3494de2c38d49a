"""A registered version and the champion on the same test images -> the gate's decision, carried out."""

from __future__ import annotations

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
from vision.promotion import PromotionDecision, PromotionRules, Scores, decide, keep

WHO = "training pipeline"


@step(enable_cache=False)
def promote(
    version: int, evaluation: Evaluation, manifest: Manifest, rules: PromotionRules, name: str
) -> Annotated[PromotionDecision, "promotion_decision"]:
    """Moves the champion where the gate says so."""
    workspace = Workspace.from_environment()
    repair(workspace, name)  # what a killed run began: else its champion is never served
    champion = find_champion(workspace, name)
    withdrawn = withdrawal(workspace, name, version)
    if champion is not None and champion.version == version:
        decision = keep(f"version {version} is the champion already")
    elif withdrawn is not None:
        decision = keep(
            f"version {version} was rolled back by {withdrawn.who} ({withdrawn.why});"
            f" `sightline promote {version}` brings it back"
        )
    else:
        reigning = _scores(champion, manifest, workspace) if champion else None
        decision = decide(evaluation.scores, reigning, rules)
    if decision.action == "promote":
        why, expected = "; ".join(decision.reasons), champion.version if champion else None
        promote_version(workspace, name, version, who=WHO, why=why, expected=expected)
    log_metadata({"action": decision.action, "reasons": "; ".join(decision.reasons)})
    return decision


def _scores(champion: ChampionPointer, manifest: Manifest, workspace: Workspace) -> Scores:
    classifier = load_bundle(bundle_path(workspace, champion.model, champion.version))
    return score_on_test(classifier, manifest, workspace.prepared)
