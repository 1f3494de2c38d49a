"""Which images the arguments name: files, folders, globs, tables, URLs; and what is said of all else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import fsspec
import pandas as pd
import pytest

from tests.unit.batch.conftest import write_images
from vision.batch.inputs import name_images
from vision.batch.tables import read_bytes
from vision.batch_config import BatchConfig
from vision.errors import ConfigError, DataError


def named(*paths: object, **options: str) -> list[str]:
    config = BatchConfig(paths=tuple(map(str, paths)), **options)  # type: ignore[arg-type]
    return sorted(image.path for image in name_images(config))


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[str]:
    """A folder of a store with two images, one in a folder below, and a text."""
    store = fsspec.filesystem("memory")
    data = write_images(tmp_path / "source", 1)[0].read_bytes()
    for name in ("a.png", "deep/b.png", "notes.txt"):
        store.pipe_file(f"/bucket/{name}", data)
    yield "memory://bucket"
    store.store.clear()
    store.pseudo_dirs[:] = [""]


def test_an_image_is_itself(photos: list[Path]) -> None:
    assert named(photos[0]) == [str(photos[0])]


def test_a_file_that_the_user_names_is_an_image_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "upload").write_bytes(b"x")
    assert named(tmp_path / "upload") == [f"{tmp_path}/upload"]


def test_a_folder_is_read_to_its_depth_without_other_files(photos: list[Path], tmp_path: Path) -> None:
    (tmp_path / "photos" / "notes.txt").write_text("none")
    assert named(tmp_path / "photos") == sorted(map(str, photos))


def test_a_relative_path_becomes_absolute(photos: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(photos[0].parent)
    assert named("more") == sorted(map(str, photos[4:]))


@pytest.mark.parametrize(
    ("pattern", "count"), (("photos/*.png", 4), ("photos/**/*.png", 7), ("photos/**", 7), ("pho*", 7))
)
def test_a_glob_names_files_and_folders(photos: list[Path], tmp_path: Path, pattern: str, count: int) -> None:
    assert len(named(tmp_path / pattern)) == count


def test_a_file_with_brackets_in_its_name_is_no_glob(tmp_path: Path) -> None:
    (image,) = write_images(tmp_path / "a", 1)
    odd = image.rename(tmp_path / "photo [1].png")
    assert named(odd) == [str(odd)]


def test_several_arguments_are_all_taken(photos: list[Path]) -> None:
    assert named(photos[0], photos[4].parent) == sorted(map(str, [photos[0], *photos[4:]]))


def test_a_table_of_paths_starts_from_its_folder(tmp_path: Path) -> None:
    paths = ["b/1.png", "/c/2.png", "s3://d/3.png"]
    pd.DataFrame({"path": paths}).to_parquet(tmp_path / "list.parquet")
    assert named(tmp_path / "list.parquet") == ["/c/2.png", f"{tmp_path}/b/1.png", "s3://d/3.png"]


def test_a_row_without_a_path_is_named_by_its_place(tmp_path: Path) -> None:
    pd.DataFrame({"path": ["/a.png", None]}).to_parquet(tmp_path / "list.parquet")
    assert named(tmp_path / "list.parquet") == ["/a.png", f"{tmp_path}/list.parquet#1"]


def test_a_table_of_bytes_names_rows(tmp_path: Path) -> None:
    table = tmp_path / "images.parquet"
    pd.DataFrame({"jpeg": [b"1", b"2"]}).to_parquet(table)
    assert named(table, bytes_column="jpeg") == [f"{table}#0", f"{table}#1"]


@pytest.mark.parametrize(("first", "count"), ((0, 7), (2, 3), (4, 1), (6, 1)))
def test_rows_of_bytes_are_found_in_any_row_group(tmp_path: Path, first: int, count: int) -> None:
    table = tmp_path / "images.parquet"
    values = [b"%d" % number for number in range(7)]
    pd.DataFrame({"bytes": values}).to_parquet(table, row_group_size=3)
    assert list(read_bytes(str(table), "bytes", first, count)) == values[first : first + count]


def test_a_table_without_either_column_says_which_it_has(tmp_path: Path) -> None:
    pd.DataFrame({"file": ["a"], "label": ["b"]}).to_parquet(tmp_path / "list.parquet")
    with pytest.raises(DataError, match=r'"path" of paths nor one "bytes".*"file", "label".*--path-column'):
        named(tmp_path / "list.parquet")


def test_a_column_of_numbers_is_refused(tmp_path: Path) -> None:
    pd.DataFrame({"path": [1, 2]}).to_parquet(tmp_path / "list.parquet")
    with pytest.raises(DataError, match='column "path": received int64, allowed is text'):
        named(tmp_path / "list.parquet")


def test_a_table_that_is_none_says_so(tmp_path: Path) -> None:
    (tmp_path / "list.parquet").write_bytes(b"path\na.png\n")
    with pytest.raises(DataError, match="cannot be read as a parquet table"):
        named(tmp_path / "list.parquet")


def test_a_store_has_folders_globs_and_images(memory: str) -> None:
    both = ["memory://bucket/a.png", "memory://bucket/deep/b.png"]
    assert named(memory) == both
    assert named(f"{memory}/deep/b.png") == both[1:]
    assert [path.replace(":///", "://") for path in named(f"{memory}/*.png")] == both[:1]
    assert [path.replace(":///", "://") for path in named(f"{memory}/**")] == both


@pytest.mark.parametrize("path", ("nothing-here", "*.gif", "memory://none/a.png", "empty"))
def test_a_path_that_names_nothing_is_an_error(path: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r'no image at ".*": allowed are image files, folders'):
        named(path if "://" in path else tmp_path / path)


def test_no_path_at_all_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"no images given.*config\.batch\.paths"):
        named()
