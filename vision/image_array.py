"""Images in shards that look like one array: only the rows that are asked for are read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


class ImageArray(Protocol):
    """What the readers of images need: an array (N, H, W, 3) of uint8, or something that acts like one."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any, /) -> Pixels: ...


class ShardedImages:
    """Images (N, H, W, 3), uint8 0..255: row i lies in shard `shards[i]` at `rows[i]`.

    A row number gives (H, W, 3); a slice, a list or an array of row numbers gives a new array (n, H, W, 3).
    """

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(
        self,
        arrays: Sequence[Pixels],
        shards: NDArray[np.intp],
        rows: NDArray[np.intp],
        shape: tuple[int, ...],
    ) -> None:
        self._arrays = arrays
        self._shards = shards
        self._rows = rows
        self._image_shape = shape

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self), *self._image_shape)

    def __len__(self) -> int:
        return len(self._shards)

    def __getitem__(self, rows: Any, /) -> Pixels:
        if isinstance(rows, (int, np.integer)):
            return np.asarray(self._arrays[self._shards[rows]][self._rows[rows]])
        shards, places = self._shards[rows], self._rows[rows]
        images = np.empty((len(shards), *self._image_shape), np.uint8)
        for shard in np.unique(shards):
            chosen = shards == shard
            images[chosen] = self._arrays[shard][places[chosen]]
        return images

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self[:].astype(dtype or np.uint8, copy=False)
