"""A registered version and the champion on the same test images -> the gate's decision; nothing is moved."""

from __future__ import annotations

from typing import Annotated

from zenml import log_metadata, step
from zenml.types import MarkdownString

from registry.bundles import load_bundle
from registry.champion import find_champion, withdrawal
from registry.versions import get_version
from registry.workspace import Workspace
from vision.errors import BundleError, UnknownVersion
from vision.manifest import Manifest
from vision.promotion.checks import Check
from vision.promotion.costs import Version
from vision.promotion.decision import PromotionDecision, PromotionRules, conclude, keep
from vision.promotion.measuring import judge_versions


@step(enable_cache=False)
def judge(
    version: int, manifest: Manifest, rules: PromotionRules, name: str
) -> tuple[Annotated[PromotionDecision, "promotion_decision"], Annotated[MarkdownString, "gate"]]:
    """The first blessing. The second is a trial of its Bento, and `promote` asks for both."""
    workspace = Workspace.from_environment()
    champion = find_champion(workspace, name)
    present = champion.version if champion else None
    decision = _settled(workspace, name, version, present)
    if decision is None:
        decision = _measured(workspace, name, (version, present), manifest, rules)
    known = decision.model_copy(update={"champion": present})
    log_metadata({"action": known.action, "reasons": "; ".join(known.reasons)})
    return known, MarkdownString(known.markdown)


def _settled(workspace: Workspace, name: str, version: int, present: int | None) -> PromotionDecision | None:
    """The decision where the version's own history makes it; None where the gate is to judge."""
    if version == present:
        return keep(f"version {version} is the champion already")
    withdrawn = withdrawal(workspace, name, version)
    if withdrawn is None:
        return None
    return keep(
        f"version {version} was rolled back by {withdrawn.who} ({withdrawn.why});"
        f" `sightline promote {version}` brings it back"
    )


def _measured(
    workspace: Workspace,
    name: str,
    numbers: tuple[int, int | None],
    manifest: Manifest,
    rules: PromotionRules,
) -> PromotionDecision:
    """The gate's decision; a bundle that does not open, or answers wrongly, is a decision too."""
    version, present = numbers
    try:
        candidate = _open(workspace, name, version)
    except BundleError as error:
        return conclude([Check(rule="parity", verdict="fails", words=f"version {version}: {error}")])
    try:
        champion = None if present is None else _open(workspace, name, present)
    except (BundleError, UnknownVersion) as error:
        words = (
            f"champion version {present} cannot be compared with: {error}; restore it, or"
            f" `sightline promote {version}`"
        )
        return conclude([Check(rule="parity", verdict="open", words=words)])
    return judge_versions(candidate, champion, manifest, rules, folder=workspace.prepared)


def _open(workspace: Workspace, name: str, version: int) -> Version:
    bundle = get_version(workspace, name, version).bundle
    return Version(version, load_bundle(bundle), bundle)
