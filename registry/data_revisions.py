"""The manifests that versions were made of, one file a data revision: what a model learned from, for good.

MODEL/data/REVISION.parquet        written once, whole or not at all
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from registry.prediction_files import whole_file
from registry.workspace import Workspace
from vision.errors import RegistryError
from vision.file_lock import exclusive
from vision.manifest import Manifest

# In the file's metadata: what a manifest is beside its table.
KEY = b"sightline"


def revision_path(workspace: Workspace, model: str, revision: str) -> Path:
    return workspace.registry / model / "data" / f"{revision}.parquet"


def keep_manifest(workspace: Workspace, model: str, manifest: Manifest) -> Path:
    """Where the manifest of its revision lies; one that is there already is left as it is."""
    import pyarrow as pa
    from pyarrow import parquet

    path = revision_path(workspace, model, manifest.revision)
    with exclusive(path.with_name(".lock")):
        if not path.exists():
            table = pa.Table.from_pandas(manifest.table, preserve_index=False)
            beside = json.dumps({"root": manifest.root, "is_multi_label": manifest.is_multi_label})
            with whole_file(path) as temporary, temporary.open("wb") as file:
                described = table.replace_schema_metadata({**table.schema.metadata, KEY: beside})
                parquet.write_table(described, file, compression="zstd", write_page_checksum=True)
                file.flush()
                os.fsync(file.fileno())
    return path


def read_manifest(workspace: Workspace, model: str, revision: str) -> Manifest:
    """The manifest of that revision; RegistryError where it was not kept, or is not what it was."""
    import pyarrow as pa
    from pyarrow import parquet

    path = revision_path(workspace, model, revision)
    try:
        with parquet.ParquetFile(path, page_checksum_verification=True) as file:
            table = file.read()
        manifest = Manifest(table=table.to_pandas(), **json.loads(table.schema.metadata[KEY]))
        found = manifest.revision
    except FileNotFoundError:
        raise RegistryError(
            f'no manifest of data revision {revision} of "{model}" was kept: {path} is missing'
        ) from None
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError) as error:
        raise RegistryError(f"{path} is damaged ({error}): restore it from a copy") from error
    if found != revision:
        raise RegistryError(f"{path} holds data revision {found}: it was altered; restore it from a copy")
    return manifest
