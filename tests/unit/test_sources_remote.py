"""The same images give the same listing from a disk, from memory and from an S3 server."""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import fsspec
import pytest

from vision.errors import DataError
from vision.location import Location
from vision.sources import guess_source, list_images
from vision.sources.listing import Listing

Write = Callable[[dict[str, bytes]], str]


@pytest.fixture(scope="module")
def s3_endpoint() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line for each request
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="module")
def s3(s3_endpoint: str) -> Iterator[str]:
    """The URL of a bucket, reached as a user would: by the environment alone."""
    given = {"ENDPOINT_URL": s3_endpoint, "ACCESS_KEY_ID": "test", "SECRET_ACCESS_KEY": "test"}
    nowhere = {"CONFIG_FILE": os.devnull, "SHARED_CREDENTIALS_FILE": os.devnull, "REGION": "us-east-1"}
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        for name, value in (given | nowhere).items():
            patch.setenv(f"AWS_{name}", value)
        s3fs = fsspec.get_filesystem_class("s3")
        s3fs.clear_instance_cache()
        fsspec.filesystem("s3").mkdir("bucket")
        yield "s3://bucket"
        s3fs.clear_instance_cache()


@pytest.fixture(params=("local", "memory", "s3"))
def write(request: pytest.FixtureRequest, tmp_path: Path) -> Write:
    """Writes files into a new folder of a store and gives its URL."""
    root = {"local": str(tmp_path), "memory": "memory:/"}.get(request.param)
    url = f"{root or request.getfixturevalue('s3')}/{uuid.uuid4().hex}"

    def write_files(files: dict[str, bytes]) -> str:
        filesystem, root = fsspec.url_to_fs(url)
        for name, content in files.items():
            filesystem.makedirs(f"{root}/{name}".rpartition("/")[0], exist_ok=True)
            filesystem.pipe(f"{root}/{name}", content)
        return url

    return write_files


def listing(path: str) -> Listing:
    return list_images(guess_source(path), Path("unused"))


def test_class_folders_are_listed_alike(write: Write) -> None:
    names = [
        f"{split}/{label}/{number}.jpg" for split in ("train", "val") for label in "ab" for number in "12"
    ]
    extra = {"train/a/notes.txt": b"", "train/a/.3.jpg": b"x", ".git/4.jpg": b"x", "train/c/Thumbs.db": b"x"}
    url = write({name: name.encode() for name in names} | extra)
    found = listing(url)
    assert found.root == url
    assert [row.path for row in found.rows] == names
    assert {(row.label, row.split) for row in found.rows} == {
        ("a", "train"), ("b", "train"), ("a", "validation"), ("b", "validation")
    }  # fmt: skip
    assert {row.size_bytes for row in found.rows} == {len("train/a/1.jpg"), len("val/a/1.jpg")}
    assert Location(found.root).read(names[0]) == names[0].encode()


def test_a_table_is_listed_alike(write: Write) -> None:
    names = [f"images/{number}.jpg" for number in range(10)]
    rows = [f"{name},{'cat|dog' if place % 2 else 'cat'}" for place, name in enumerate(names)]
    table = "\n".join(["path,labels", *rows]).encode()
    url = write(dict.fromkeys(names[1:], b"xy") | {"labels.csv": table, "images/other.jpg": b"x"})
    found = listing(f"{url}/labels.csv")
    assert (found.root, found.is_multi_label) == (url, True)
    assert [(row.path, row.label) for row in found.rows] == [
        (name, "cat|dog" if place % 2 else "cat") for place, name in enumerate(names)
    ]
    assert [row.size_bytes for row in found.rows] == [0] + [2] * 9


def test_a_file_written_again_changes_the_fingerprint(write: Write) -> None:
    url = write({f"{label}/{number}.jpg": b"x" for label in "ab" for number in range(5)})
    first = listing(url).fingerprint
    assert listing(url).fingerprint == first
    write({"a/0.jpg": b"other"})
    assert listing(url).fingerprint != first


def test_a_file_added_meanwhile_is_seen(write: Write) -> None:
    url = write({f"{label}/{number}.jpg": b"x" for label in "ab" for number in range(5)})
    assert len(listing(url).rows) == 10
    write({"a/5.jpg": b"x"})
    assert len(listing(url).rows) == 11


def test_a_class_without_an_image_is_named(write: Write) -> None:
    url = write({f"{label}/{number}.jpg": b"x" for label in "ab" for number in range(5)} | {"c/1.heic": b"x"})
    with pytest.raises(DataError, match=f'class "c" has no image: nothing in {url}/c'):
        listing(url)


def test_a_table_whose_images_lie_elsewhere_says_where_they_were_sought(write: Write) -> None:
    url = write({"labels.csv": b"path,label\na/1.jpg,a\nb/1.jpg,b\n"})
    with pytest.raises(DataError, match=rf"lies below {url}, .*config\.data\.images"):
        listing(f"{url}/labels.csv")


def test_what_a_store_does_not_have_is_named(s3: str) -> None:
    fsspec.filesystem("s3").pipe(f"{s3}/images/a/", b"")  # as consoles make a folder
    with pytest.raises(DataError, match="no class folders in s3://"):
        listing(f"{s3}/images")
    with pytest.raises(DataError, match=r"cannot be listed .*bucket does not exist"):
        listing("s3://no-such-bucket/images")
    with pytest.raises(DataError, match="no table can be read at"):
        listing(f"{s3}/labels.csv")
    with pytest.raises(FileNotFoundError):
        Location(s3).read("1.jpg")
