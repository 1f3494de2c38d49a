"""Split manifest -> decoded images in memory-mapped shards."""

from __future__ import annotations

from typing import Annotated

from zenml import log_metadata, step

from registry.workspace import Workspace
from steps.materializers import PreparedImagesMaterializer
from vision.manifest import Manifest
from vision.prepared import PreparedImages, prepare_images
from vision.preprocessing import Preprocessing


@step(output_materializers=PreparedImagesMaterializer)
def prepare(manifest: Manifest, preprocessing: Preprocessing) -> Annotated[PreparedImages, "prepared_images"]:
    """Puts the images in the order of their splits; none is decoded that ingest has decoded."""
    prepared = prepare_images(manifest, preprocessing, Workspace.from_environment().prepared)
    log_metadata({"key": prepared.key, "revision": prepared.revision})
    return prepared
