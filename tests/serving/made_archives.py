"""Zip archives, sound and altered, of small pictures."""

from __future__ import annotations

import io
import stat
import struct
import zipfile

from PIL import Image


def picture(level: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (level, 255 - level, 7)).save(buffer, "PNG")
    return buffer.getvalue()


def zipped(*files: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return buffer.getvalue()


def with_link(name: str) -> bytes:
    buffer, entry = io.BytesIO(), zipfile.ZipInfo(name)
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(entry, "/etc/passwd")
    return buffer.getvalue()


def patched(data: bytes, offset: int, layout: str, value: int) -> bytes:
    """The archive of one file with a number of its central directory changed (APPNOTE.TXT 4.3.12)."""
    changed = bytearray(data)
    struct.pack_into(layout, changed, data.index(b"PK\x01\x02") + offset, value)
    return bytes(changed)


PLAIN = zipped(("a.png", picture(1)))
TWO = zipped(("a.png", picture(1)), ("b.png", picture(2)))
