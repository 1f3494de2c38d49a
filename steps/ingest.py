"""Images on disk -> manifest."""

from __future__ import annotations

from typing import Annotated

from zenml import log_metadata, step

from registry.workspace import Workspace
from steps.materializers import ManifestMaterializer
from vision.data_config import DataConfig
from vision.ingest import measure_images
from vision.manifest import Manifest
from vision.preprocessing import Preprocessing
from vision.sources import SOURCES


def fingerprint_source(data: DataConfig) -> str:
    """What the source holds, by names, sizes and times; DataError where it cannot be used.

    A parameter of the step: while it stays the same, no image is read again.
    """
    return SOURCES[data.source](data, Workspace.from_environment().data).fingerprint


@step(output_materializers=ManifestMaterializer)
def ingest(
    data: DataConfig, preprocessing: Preprocessing, fingerprint: str
) -> Annotated[Manifest, "manifest"]:
    """Reads every image once."""
    listing = SOURCES[data.source](data, Workspace.from_environment().data)
    manifest = measure_images(
        listing, max_pixels=preprocessing.max_pixels, background=preprocessing.background
    )
    log_metadata({"source": data.source, "fingerprint": fingerprint})
    return manifest
