"""Manifest -> manifest in which every image has its split, remembered for when the data grows."""

from __future__ import annotations

from typing import Annotated

from zenml import log_metadata, step

from registry.workspace import Workspace
from steps.materializers import ManifestMaterializer
from vision.config import SplitConfig
from vision.manifest import Manifest
from vision.quality_config import QualityPolicies
from vision.split_memory import recall, remember
from vision.splitting import exclude_doubtful_labels, split_images


@step(output_materializers=ManifestMaterializer)
def split(
    manifest: Manifest, config: SplitConfig, policies: QualityPolicies, seed: int, name: str
) -> Annotated[Manifest, "split_manifest"]:
    """Stratified, near-duplicates and groups together, an image stays where it was."""
    # Another seed is asked for to get another split.
    memory = Workspace.from_environment().splits / f"{name}-seed{seed}.jsonl"
    remembered = recall(memory) if config.sticky else {}
    divided = split_images(manifest, config, seed=seed, remembered=remembered)
    remember(divided, memory)
    if policies.label_issues == "quarantine":
        divided = exclude_doubtful_labels(divided)
    log_metadata({"revision": divided.revision, "remembered": len(remembered)})
    return divided
