"""Which files lie below a folder or a URL, and what cannot be listed or read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from vision.errors import DataError
from vision.location import File, Location


@pytest.fixture
def memory() -> Iterator[fsspec.AbstractFileSystem]:
    store = fsspec.filesystem("memory")
    yield store
    store.store.clear()
    store.pseudo_dirs[:] = [""]


def paths(location: Location) -> list[str]:
    return sorted(file.path for file in location.files())


def write(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"abc")


@pytest.mark.parametrize(
    ("text", "url"),
    (
        ("s3://bucket/images/", "s3://bucket/images"),
        ("s3://", "s3://"),
        ("memory://images", "memory://images"),
        ("/images/cats/", "/images/cats"),
        ("file:///images", "/images"),
        ("~/images", f"{Path.home()}/images"),
        ("images/../cats", f"{Path.cwd()}/cats"),
    ),
)
def test_parse_resolves_folders_and_keeps_urls(text: str, url: str) -> None:
    location = Location.parse(text)
    assert location.url == url
    assert location.is_local == url.startswith("/")


def test_files_gives_sizes_and_leaves_out_what_is_hidden(tmp_path: Path) -> None:
    write(tmp_path, "a/b/1.jpg", "a/.2.jpg", ".git/3.jpg", "4.txt")
    location = Location.parse(tmp_path)
    written = (tmp_path / "4.txt").stat().st_mtime_ns
    assert paths(location) == ["4.txt", "a/b/1.jpg"]
    assert File("4.txt", 3, written) in set(location.files())
    assert location.describe("4.txt") == File("4.txt", 3, written)


def test_files_follows_links_and_ends_where_they_go_round(tmp_path: Path) -> None:
    write(tmp_path, "elsewhere/1.jpg", "root/a/2.jpg")
    (tmp_path / "root/b").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/back").symlink_to(tmp_path / "root")
    (tmp_path / "root/self").symlink_to("self")
    assert paths(Location.parse(tmp_path / "root")) == ["a/2.jpg", "b/1.jpg", "self"]


def test_files_of_a_folder_that_cannot_be_read_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(folder: str) -> None:
        raise PermissionError(13, "Permission denied", folder)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DataError, match=rf"{tmp_path}.*Permission denied"):
        list(Location.parse(tmp_path).files())


def test_a_missing_file_is_described_by_zeros_and_not_read(
    tmp_path: Path, memory: fsspec.AbstractFileSystem
) -> None:
    for location in (Location.parse(tmp_path), Location("memory://images")):
        assert location.describe("no.jpg") == File("no.jpg", 0, 0)
        with pytest.raises(FileNotFoundError):
            location.read("no.jpg")


def test_remote_files_are_those_below_the_url(memory: fsspec.AbstractFileSystem) -> None:
    for name in ("images/a/1.jpg", "images/.b/2.jpg", "images/a/.3.jpg", "images2/4.jpg"):
        memory.pipe(f"/{name}", b"abc")
    location = Location.parse("memory://images/")
    assert paths(location) == ["a/1.jpg"]
    assert paths(Location("memory://images/a/1.jpg")) == []
    assert location.read("a/1.jpg") == b"abc"


def test_a_remote_file_is_described_as_it_is_listed(memory: fsspec.AbstractFileSystem) -> None:
    memory.pipe("/images/1.jpg", b"abc")
    location = Location("memory://images")
    (first,) = location.files()
    assert location.describe("1.jpg") == first
    memory.pipe("/images/1.jpg", b"abd")
    assert location.describe("1.jpg").modified_ns != first.modified_ns


def test_a_url_of_an_unknown_kind_is_named() -> None:
    with pytest.raises(DataError, match=r'"foo://images" cannot be opened .*config\.data\.path'):
        list(Location("foo://images").files())
