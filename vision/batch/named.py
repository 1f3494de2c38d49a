"""One image of a batch, as the inputs name it."""

from __future__ import annotations

from typing import NamedTuple


class NamedImage(NamedTuple):
    """`path` is a full name: absolute, or a URL. `size_bytes` and `modified_ns` are of its file.

    An image whose bytes stand in a parquet file is in row `row` (from 0) of `table`.
    """

    path: str
    size_bytes: int
    modified_ns: int
    table: str | None = None
    row: int | None = None
