"""Images wherever they lie -> manifest, and their pixels in the store."""

from __future__ import annotations

from typing import Annotated

from zenml import log_metadata, step

from registry.workspace import Workspace
from steps.materializers import ManifestMaterializer
from vision.data_config import DataConfig
from vision.ingest import read_images
from vision.manifest import Manifest
from vision.pixel_store import PixelStore
from vision.preprocessing import Preprocessing
from vision.sources import list_images


def fingerprint_source(data: DataConfig) -> str:
    """What the source holds, by names, sizes and times; DataError where it cannot be used.

    A parameter of the step: while it stays the same, no image is read again.
    """
    return list_images(data, Workspace.from_environment().data).fingerprint


@step(output_materializers=ManifestMaterializer)
def ingest(
    data: DataConfig, preprocessing: Preprocessing, fingerprint: str
) -> Annotated[Manifest, "manifest"]:
    """Reads every new image once."""
    workspace = Workspace.from_environment()
    listing = list_images(data, workspace.data)
    manifest = read_images(listing, PixelStore(workspace.prepared, preprocessing))
    log_metadata({"source": data.source, "fingerprint": fingerprint})
    return manifest
