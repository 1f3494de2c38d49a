"""Manifest -> the same with what was measured and suspected of each image."""

from __future__ import annotations

from typing import Annotated

from zenml import log_metadata, step

from registry.workspace import Workspace
from steps.materializers import ManifestMaterializer
from vision.manifest import ISSUES, Manifest
from vision.pixel_store import PixelStore
from vision.preprocessing import Preprocessing
from vision.quality_config import QualityConfig


@step(output_materializers={"inspected_manifest": ManifestMaterializer})
def inspect(
    manifest: Manifest, preprocessing: Preprocessing, config: QualityConfig, seed: int
) -> tuple[Annotated[Manifest, "inspected_manifest"], Annotated[dict[str, float], "inspection_facts"]]:
    """Looks for copies, near-duplicates, bad pictures and doubtful labels; decides nothing."""
    from vision.inspection import inspect_images

    store = PixelStore(Workspace.from_environment().prepared, preprocessing)
    store.complete(manifest.readable)
    images = store.images(manifest.readable.table["sha256"].tolist())
    inspection = inspect_images(manifest, images, config=config, seed=seed)
    table = inspection.manifest.table
    log_metadata({issue: int(table[column].sum()) for issue, column in ISSUES.items()})
    accuracy = inspection.out_of_fold_accuracy
    return inspection.manifest, {} if accuracy is None else {"out_of_fold_accuracy": accuracy}
