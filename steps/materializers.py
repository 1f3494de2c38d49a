"""Sightline's types as ZenML artifacts; each has a content hash, so equal content takes the cache."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from zenml.enums import ArtifactType
from zenml.io import fileio
from zenml.materializers.base_materializer import BaseMaterializer

from registry.workspace import Workspace
from vision.bundle import atomic_folder
from vision.classifier import ImageClassifier
from vision.manifest import Manifest
from vision.prepared import PreparedImages
from vision.training.backbone import Backbone


class _FolderMaterializer(BaseMaterializer):
    """An artifact that is a folder of files, on whatever artifact store."""

    SKIP_REGISTRATION = True

    def upload(self, folder: Path) -> None:
        for path in sorted(folder.rglob("*")):
            target = f"{self.uri}/{path.relative_to(folder)}"
            if path.is_dir():
                fileio.makedirs(target)
            else:
                fileio.copy(str(path), target, overwrite=True)

    def download(self, folder: Path) -> None:
        for root, folders, files in fileio.walk(self.uri):
            inside = Path(str(root)).relative_to(self.uri)
            for name in folders:
                (folder / inside / str(name)).mkdir(exist_ok=True)
            for name in files:
                fileio.copy(f"{root}/{name}", str(folder / inside / str(name)))

    @property
    def local_folder(self) -> Path | None:
        """The artifact's own folder where the store is on this machine."""
        folder = Path(self.uri)
        return folder if folder.is_dir() else None


class ManifestMaterializer(_FolderMaterializer):
    """Parquet, and the root folder beside it."""

    SKIP_REGISTRATION = False
    ASSOCIATED_TYPES: ClassVar[tuple[type, ...]] = (Manifest,)
    ASSOCIATED_ARTIFACT_TYPE = ArtifactType.DATA

    def save(self, data: Manifest) -> None:
        with self.get_temporary_directory(delete_at_exit=True) as folder:
            data.table.to_parquet(Path(folder) / "manifest.parquet", index=False)
            description = {"root": data.root, "is_multi_label": data.is_multi_label}
            (Path(folder) / "manifest.json").write_text(json.dumps(description))
            self.upload(Path(folder))

    def load(self, data_type: type[Any]) -> Manifest:
        with self.get_temporary_directory(delete_at_exit=True) as folder:
            self.download(Path(folder))
            description = json.loads((Path(folder) / "manifest.json").read_text())
            return Manifest(table=pd.read_parquet(Path(folder) / "manifest.parquet"), **description)

    def compute_content_hash(self, data: Manifest) -> str:
        rows = pd.util.hash_pandas_object(data.table, index=False).to_numpy()
        return f"{data.root}:{data.revision}:{int(rows.sum()):x}"

    def extract_metadata(self, data: Manifest) -> dict[str, Any]:
        counts = data.table["split"].value_counts().to_dict()
        return {
            "images": len(data.table),
            "classes": len(data.class_names),
            "revision": data.revision,
            "splits": {str(name): int(count) for name, count in counts.items()},
        }


class PreparedImagesMaterializer(_FolderMaterializer):
    """The arrays themselves: hard links on this machine, copies on a remote store."""

    SKIP_REGISTRATION = False
    ASSOCIATED_TYPES: ClassVar[tuple[type, ...]] = (PreparedImages,)
    ASSOCIATED_ARTIFACT_TYPE = ArtifactType.DATA

    def save(self, data: PreparedImages) -> None:
        if self.local_folder:
            data.link_to(self.local_folder)
        else:
            self.upload(data.folder)

    def load(self, data_type: type[Any]) -> PreparedImages:
        if self.local_folder:
            return PreparedImages.open(self.local_folder)
        cached = Workspace.from_environment().prepared / "downloaded" / Path(self.uri).name
        if not cached.exists():
            with atomic_folder(cached) as folder:
                self.download(folder)
        return PreparedImages.open(cached)

    def compute_content_hash(self, data: PreparedImages) -> str:
        return data.key


class ImageClassifierMaterializer(_FolderMaterializer):
    """A sealed folder: its hashes are checked before the model is loaded."""

    SKIP_REGISTRATION = False
    ASSOCIATED_TYPES: ClassVar[tuple[type, ...]] = (ImageClassifier,)
    ASSOCIATED_ARTIFACT_TYPE = ArtifactType.MODEL

    def save(self, data: ImageClassifier) -> None:
        with tempfile.TemporaryDirectory() as parent:
            folder = Path(parent) / "classifier"
            data.save(folder)
            self.upload(folder)

    def load(self, data_type: type[Any]) -> ImageClassifier:
        folder = Path(tempfile.mkdtemp())
        try:
            self.download(folder)
            return ImageClassifier.load(folder)
        finally:
            shutil.rmtree(folder)

    def compute_content_hash(self, data: ImageClassifier) -> str:
        return data.digest


class BackboneMaterializer(BaseMaterializer):
    """One npz file, an array a weight."""

    ASSOCIATED_TYPES: ClassVar[tuple[type, ...]] = (Backbone,)
    ASSOCIATED_ARTIFACT_TYPE = ArtifactType.MODEL

    def save(self, data: Backbone) -> None:
        with fileio.open(self._file, "wb") as file:
            np.savez(file, *data.weights)

    def load(self, data_type: type[Any]) -> Backbone:
        with fileio.open(self._file, "rb") as file, np.load(file) as stored:
            return Backbone(tuple(stored[f"arr_{place}"] for place in range(len(stored.files))))

    def compute_content_hash(self, data: Backbone) -> str:
        digest = hashlib.sha256()
        for weight in data.weights:
            digest.update(f"{weight.dtype}{weight.shape}".encode())
            digest.update(np.ascontiguousarray(weight).data)
        return digest.hexdigest()

    @property
    def _file(self) -> str:
        return f"{self.uri}/backbone.npz"
