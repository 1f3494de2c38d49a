"""Images wherever they lie -> manifest, and their pixels in the store."""

from __future__ import annotations

from typing import Annotated

from zenml import log_metadata, step

from registry.reviews import accepted, image_path, within_key_share
from registry.workspace import Workspace
from steps.materializers import ManifestMaterializer
from vision.data_config import DataConfig
from vision.ingest import read_images
from vision.manifest import Manifest
from vision.operation_config import ReviewConfig
from vision.pixel_store import PixelStore
from vision.preprocessing import Preprocessing
from vision.sources import list_images
from vision.sources.listing import Listing
from vision.sources.reviewed import add_reviewed


def fingerprint_source(data: DataConfig, review: ReviewConfig, *, name: str) -> str:
    """What the source and the reviews hold, by names, sizes, times and labels; DataError where unusable.

    A parameter of the step: while it stays the same, no image is read again.
    """
    return _list(data, review, name).fingerprint


@step(output_materializers=ManifestMaterializer)
def ingest(
    data: DataConfig, preprocessing: Preprocessing, review: ReviewConfig, name: str, fingerprint: str
) -> Annotated[Manifest, "manifest"]:
    """Reads every new image once."""
    workspace = Workspace.from_environment()
    listing = _list(data, review, name)
    manifest = read_images(listing, PixelStore(workspace.prepared, preprocessing))
    log_metadata({"source": data.source, "fingerprint": fingerprint})
    return manifest


def _list(data: DataConfig, review: ReviewConfig, name: str) -> Listing:
    """The source's images, and those that people reviewed."""
    workspace = Workspace.from_environment()
    listing = list_images(data, workspace.data)
    if not review.use:
        return listing
    reviews = within_key_share(accepted(workspace, name), review.max_key_share)
    return add_reviewed(listing, {image_path(workspace, name, one.sha256): one.labels for one in reviews})
