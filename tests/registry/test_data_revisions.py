"""The manifest of a data revision: kept once, whole, and known again; damage is named."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest

from registry.data_revisions import keep_manifest, read_manifest, revision_path
from registry.workspace import Workspace
from vision.errors import RegistryError
from vision.manifest import Manifest


@pytest.fixture
def home(tmp_path) -> Workspace:
    return Workspace(tmp_path)


def make_manifest(root: str = "/photos", label: str = "Käse", **options: bool) -> Manifest:
    columns = {
        "path": ["a/1.jpg", "b/2.jpg", "ミルク/3.jpg"],
        "label": ["Milch", label, "ミルク"],
        "split": ["train", "train", "test"],
        "sha256": ["a" * 64, "b" * 64, "c" * 64],
        "width": [640, 0, 32],
        "is_readable": [True, False, True],
        "shop": [1.5, float("nan"), -2.0],
    }
    return Manifest(root, pd.DataFrame(columns), **options)


@pytest.mark.parametrize("is_multi_label", [False, True])
def test_a_manifest_comes_back_as_it_was(home, is_multi_label) -> None:
    manifest = make_manifest(is_multi_label=is_multi_label)

    path = keep_manifest(home, "grocery", manifest)
    found = read_manifest(home, "grocery", manifest.revision)

    assert path == home.registry / "grocery" / "data" / f"{manifest.revision}.parquet"
    pd.testing.assert_frame_equal(found.table, manifest.table)
    assert (found.root, found.is_multi_label) == ("/photos", is_multi_label)


def test_a_revision_is_written_once(home) -> None:
    """Whoever looks at it later sees what the first training had."""
    first = make_manifest()
    path = keep_manifest(home, "grocery", first)
    before = path.stat()

    keep_manifest(home, "grocery", make_manifest(root="/elsewhere"))

    after = path.stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert read_manifest(home, "grocery", first.revision).root == "/photos"


def test_other_labels_are_another_revision(home) -> None:
    for label in ("Käse", "Milch"):
        keep_manifest(home, "grocery", make_manifest(label=label))

    assert len(list((home.registry / "grocery" / "data").glob("*.parquet"))) == 2


def test_many_may_keep_the_same_at_once(home) -> None:
    manifest = make_manifest()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: keep_manifest(home, "grocery", manifest), range(16)))

    assert len(read_manifest(home, "grocery", manifest.revision).table) == 3
    assert [path.suffix for path in (home.registry / "grocery" / "data").glob("[!.]*")] == [".parquet"]


def test_a_write_that_fails_leaves_no_file(home, monkeypatch) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise OSError("No space left on device")

    manifest = make_manifest()
    with monkeypatch.context() as broken, pytest.raises(OSError, match="No space left"):
        broken.setattr("os.fsync", fail)
        keep_manifest(home, "grocery", manifest)

    assert not revision_path(home, "grocery", manifest.revision).exists()
    assert keep_manifest(home, "grocery", manifest).exists()


def test_a_revision_that_was_not_kept_is_named(home) -> None:
    with pytest.raises(RegistryError, match=f'data revision {"e" * 64} of "grocery" was kept'):
        read_manifest(home, "grocery", "e" * 64)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-50]),
        lambda path: make_manifest().table.to_parquet(path),
        lambda path: pd.DataFrame({"x": [1]}).to_parquet(path),
        lambda path: path.unlink() or path.mkdir(),
    ],
)
def test_a_damaged_file_is_named(home, damage) -> None:
    manifest = make_manifest()
    path = keep_manifest(home, "grocery", manifest)
    damage(path)

    with pytest.raises(RegistryError) as caught:
        read_manifest(home, "grocery", manifest.revision)
    assert f"{path} is damaged" in str(caught.value)


def test_a_file_of_another_revision_is_not_taken_for_it(home) -> None:
    manifest, other = make_manifest(), make_manifest(label="Milch")
    path = keep_manifest(home, "grocery", manifest)
    keep_manifest(home, "grocery", other).replace(path)

    with pytest.raises(RegistryError, match=f"holds data revision {other.revision}: it was altered"):
        read_manifest(home, "grocery", manifest.revision)
