"""Manifest -> manifest in which every image has its split."""

from __future__ import annotations

from typing import Annotated

from zenml import step

from steps.materializers import ManifestMaterializer
from vision.config import SplitConfig
from vision.manifest import Manifest
from vision.splitting import split_images


@step(output_materializers=ManifestMaterializer)
def split(manifest: Manifest, config: SplitConfig, seed: int) -> Annotated[Manifest, "split_manifest"]:
    """Stratified by class, copies together, splits that the source gives are kept."""
    return split_images(manifest, validation=config.validation, test=config.test, seed=seed)
