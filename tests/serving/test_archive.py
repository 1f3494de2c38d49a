"""Zip archives of clients: what is read of them, what is refused, and how much memory that takes."""

from __future__ import annotations

import struct
import tracemalloc
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.answers import RequestError
from serving.received.archive import archived_files
from tests.serving.made_archives import PLAIN, TWO, patched, picture, with_link, zipped

BOUNDS = {"max_files": 10, "max_bytes": 100_000}


def test_files_are_read_in_order() -> None:
    files = archived_files(TWO, **BOUNDS)

    assert [(file.name, file.read()) for file in files] == [("a.png", picture(1)), ("b.png", picture(2))]


BAD_ENTRIES = {
    "a link": (with_link("a.png"), "link"),
    "encrypted": (patched(PLAIN, 8, "<H", 1), "encrypted"),
    "bzip2": (zipped(("a.png", picture(1)), method=zipfile.ZIP_BZIP2), "method 12"),
    "LZMA": (zipped(("a.png", picture(1)), method=zipfile.ZIP_LZMA), "method 14"),
    "of another CRC": (patched(PLAIN, 16, "<I", 12345), "CRC"),
    "longer than declared": (patched(PLAIN, 24, "<I", 10), "CRC"),
    "elsewhere": (patched(PLAIN, 42, "<I", 20), "header"),
}


@pytest.mark.parametrize("name", BAD_ENTRIES)
def test_a_file_that_cannot_be_read_is_refused_alone(name) -> None:
    data, reason = BAD_ENTRIES[name]

    [file] = archived_files(data, **BOUNDS)

    with pytest.raises(RequestError, match=reason) as refused:
        file.read()
    assert (file.name, refused.value.status, refused.value.code) == ("a.png", 400, "bad_zip_entry")


def test_a_file_that_lies_of_its_size_is_not_inflated_beyond_it() -> None:
    bomb = patched(zipped(("a.png", bytes(50_000_000))), 24, "<I", 1000)
    [file] = archived_files(bomb, **BOUNDS)

    tracemalloc.start()
    with pytest.raises(RequestError, match="CRC"):
        file.read()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 1_000_000


def test_files_that_share_their_bytes_are_counted_each() -> None:
    # Fifield 2019 ("A better zip bomb"): many entries of the directory point to one piece of compressed data.
    data = zipped(("a.png", bytes(30_000)))
    start, end = data.index(b"PK\x01\x02"), data.index(b"PK\x05\x06")
    directory, tail = data[start:end] * 4, bytearray(data[end:])
    struct.pack_into("<HHI", tail, 8, 4, 4, len(directory))

    with pytest.raises(RequestError, match="120000 bytes"):
        archived_files(data[:start] + directory + bytes(tail), **BOUNDS)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=8), st.booleans()
)
def test_an_altered_archive_gives_bytes_or_a_refusal(changes, cut) -> None:
    data = bytearray(TWO)
    for place, value in changes:
        data[place % len(data)] = value

    try:
        for file in archived_files(bytes(data[: -changes[0][0] % len(data)] if cut else data), **BOUNDS):
            assert len(file.read()) <= BOUNDS["max_bytes"]
    except RequestError as refusal:
        assert refusal.status in (400, 413)
