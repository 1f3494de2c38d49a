"""Arrow tables of rows, made without pandas.

`pyarrow.array` and its like import pandas where it is installed, 50 MB of a service that needs none of it:
columns are made of buffers instead, as the Arrow format lays them out. pyarrow itself is 45 MB, and what
needs it imports it: a service that logs nothing does without.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from operator import attrgetter
from typing import Any

import numpy as np

from registry.prediction_rows import Columns

_NUMPY = {"moment": np.int64, "integer": np.int32, "number": np.float32}


def schema_of(columns: Columns, metadata: Mapping[str, str] | None = None) -> Any:
    """The pyarrow.Schema of the columns."""
    import pyarrow as pa

    return pa.schema([(name, _arrow_type(kind)) for name, (kind, _) in columns.items()], metadata)


def table_of(rows: Sequence[Any], columns: Columns) -> Any:
    """The pyarrow.Table of the rows; no value is null."""
    import pyarrow as pa

    arrays = [_array(kind, [attrgetter(path)(row) for row in rows]) for kind, path in columns.values()]
    return pa.Table.from_arrays(arrays, schema=schema_of(columns))


def _arrow_type(kind: str) -> Any:
    import pyarrow as pa

    types = {"text": pa.string(), "moment": pa.timestamp("ms", "UTC"), "integer": pa.int32()}
    types |= {"number": pa.float32(), "flag": pa.bool_()}
    return types.get(kind) or pa.list_(types[kind.removesuffix("s")])


def _array(kind: str, values: Sequence[Any]) -> Any:
    """The pyarrow.Array of one column."""
    import pyarrow as pa

    arrow_type, count = _arrow_type(kind), len(values)
    if kind in ("texts", "numbers"):
        items: Any = np.concatenate(values) if kind == "numbers" else list(chain.from_iterable(values))
        offsets = pa.Array.from_buffers(pa.int32(), count + 1, [None, _offsets(values)])
        return pa.ListArray.from_arrays(offsets, _array(kind.removesuffix("s"), items))
    if kind == "text":
        encoded = [value.encode() for value in values]
        buffers = [None, _offsets(encoded), pa.py_buffer(b"".join(encoded))]
        return pa.Array.from_buffers(arrow_type, count, buffers)
    content = _bits(values) if kind == "flag" else np.asarray(values, _NUMPY[kind])
    return pa.Array.from_buffers(arrow_type, count, [None, pa.py_buffer(content)])


def _bits(values: Sequence[bool]) -> Any:
    return np.packbits(np.asarray(values, np.bool_), bitorder="little")


def _offsets(values: Sequence[Any]) -> Any:
    """Where each value begins, and the last one ends."""
    import pyarrow as pa

    return pa.py_buffer(np.cumsum([0, *map(len, values)], dtype=np.int32))
