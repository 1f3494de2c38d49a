"""Artifacts come back as they were; equal content has an equal hash."""

import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from steps.materializers import ManifestMaterializer, PreparedImagesMaterializer
from vision.ingest import read_images
from vision.manifest import Manifest
from vision.pixel_store import PixelStore
from vision.prepared import prepare_images
from vision.preprocessing import Preprocessing
from vision.sources.listing import ListedImage, Listing


@pytest.fixture
def manifest(tmp_path):
    rows = []
    for number in range(6):
        label, split = "ab"[number % 2], ("train", "validation", "test")[number // 2]
        buffer = io.BytesIO()
        Image.new("RGB", (9, 7), (40 * number, 0, 0)).save(buffer, "PNG")
        path = tmp_path / "images" / label / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(buffer.getvalue())
        rows.append(ListedImage(f"{label}/{number}.png", label, split, len(buffer.getvalue()), number))
    listing = Listing(str(tmp_path / "images"), tuple(rows))
    return read_images(listing, PixelStore(tmp_path / "pixels", Preprocessing(image_size=(2, 2))))


def there_and_back(materializer, data, folder):
    folder.mkdir()
    made = materializer(str(folder))
    made.save(data)
    return made.load(type(data))


def test_manifest_comes_back(manifest, tmp_path):
    loaded = there_and_back(ManifestMaterializer, manifest, tmp_path / "artifact")
    pd.testing.assert_frame_equal(loaded.table, manifest.table)
    assert loaded.root == manifest.root and loaded.revision == manifest.revision


def test_manifest_hash_follows_the_content(manifest, tmp_path):
    materializer = ManifestMaterializer(str(tmp_path))
    same = Manifest(manifest.root, manifest.table.copy())
    moved = manifest.with_table(manifest.table.assign(split="train"))
    assert materializer.compute_content_hash(manifest) == materializer.compute_content_hash(same)
    assert materializer.compute_content_hash(manifest) != materializer.compute_content_hash(moved)


def test_prepared_images_come_back(manifest, tmp_path):
    prepared = prepare_images(manifest, Preprocessing(image_size=(4, 5)), tmp_path / "prepared")
    loaded = there_and_back(PreparedImagesMaterializer, prepared, tmp_path / "artifact")
    assert np.array_equal(loaded.images("test"), prepared.images("test"))
    assert loaded.key == prepared.key


def test_prepared_images_outlive_the_folder_that_made_them(manifest, tmp_path):
    import shutil

    prepared = prepare_images(manifest, Preprocessing(image_size=(4, 5)), tmp_path / "prepared")
    loaded = there_and_back(PreparedImagesMaterializer, prepared, tmp_path / "artifact")
    shutil.rmtree(tmp_path / "prepared")
    assert loaded.images("validation").shape == (2, 4, 5, 3)
