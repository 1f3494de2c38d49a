"""The files of a zip archive that is in memory already: inflated one at a time, never beyond a bound.

An archive is hostile until shown otherwise. Its names are passed on and never used as paths, archives within
it are not opened, and what it would inflate to is judged before anything is inflated.
"""

from __future__ import annotations

import io
import stat
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from serving.answers import RequestError

ARCHIVE_START = b"PK"  # no image format begins so
# APPNOTE.TXT 4.3.12: one for each entry, so that many can be refused before zipfile makes objects of them.
CENTRAL_HEADER = b"PK\x01\x02"
# Folders are entries too, and macOS adds one of its own, in a folder apart, to each file.
ENTRIES_A_FILE, FEW_ENTRIES = 4, 1000
MACOS_FOLDER = "__MACOSX/"
ENCRYPTED = 0x1  # APPNOTE.TXT 4.4.4
# zipfile inflates these no further than it is asked; of bzip2 and LZMA a few kilobytes become many megabytes.
METHODS = (ZIP_STORED, ZIP_DEFLATED)


@dataclass(frozen=True)
class SentFile:
    """One file of a request. `name` is the client's, and may be empty."""

    name: str
    read: Callable[[], bytes]  # its content; RequestError (400) where it cannot be read


def is_archive(data: bytes) -> bool:
    return data.startswith(ARCHIVE_START)


def archived_files(data: bytes, *, max_files: int, max_bytes: int) -> list[SentFile]:
    """The files of a zip archive, in its order; folders are passed over.

    RequestError: 400 where it is no archive, 413 for more than `max_files`, or `max_bytes` when inflated.
    """
    max_entries = max(ENTRIES_A_FILE * max_files, FEW_ENTRIES)
    if data.count(CENTRAL_HEADER) > max_entries:
        raise too_many_files(f"an archive of more than {max_entries} entries", max_files)
    archive = _open(data)
    entries = [entry for entry in archive.infolist() if not _is_passed_over(entry)]
    if len(entries) > max_files:
        raise too_many_files(f"an archive of {len(entries)} files", max_files)
    inflated = sum(entry.file_size for entry in entries)
    if inflated > max_bytes:
        message = f"the archive's files have {inflated} bytes: at most {max_bytes} are allowed, as of a body"
        raise RequestError(413, "body_too_large", message)
    return [SentFile(entry.filename, partial(_inflate, archive, entry)) for entry in entries]


def too_many_files(received: str, max_files: int) -> RequestError:
    message = f"{received}: at most {max_files} images are allowed; the server's SIGHTLINE_BATCH_IMAGES"
    return RequestError(413, "too_many_images", message)


def _open(data: bytes) -> ZipFile:
    try:
        return ZipFile(io.BytesIO(data))
    except Exception as error:  # BadZipFile, struct.error, UnicodeDecodeError, ValueError ...
        raise RequestError(400, "bad_zip", f"the zip archive cannot be read: {str(error)[:100]}") from None


def _is_passed_over(entry: ZipInfo) -> bool:
    return entry.is_dir() or entry.filename.startswith(MACOS_FOLDER)


def _inflate(archive: ZipFile, entry: ZipInfo) -> bytes:
    if entry.flag_bits & ENCRYPTED:
        raise _unreadable("it is encrypted")
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise _unreadable("it is a link")
    if entry.compress_type not in METHODS:
        raise _unreadable(
            f"compression method {entry.compress_type}: allowed are stored (0) and deflated (8)"
        )
    try:
        with archive.open(entry) as file:
            # Never read() alone: it inflates all that there is before it cuts it to the declared size.
            return file.read(entry.file_size)
    except Exception as error:  # BadZipFile, zlib.error, EOFError, NotImplementedError ...
        raise _unreadable(str(error)[:100]) from None


def _unreadable(reason: str) -> RequestError:
    return RequestError(400, "bad_zip_entry", f"the file in the archive cannot be read: {reason}")
