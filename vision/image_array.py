"""Images in shards that look like one array: only the rows that are asked for are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
# A mapped file costs a file descriptor, of which a process has 1,024 on most systems.
OPEN_SHARDS = 400
CHUNK = 4096


class ImageArray(Protocol):
    """What the readers of images need: an array (N, H, W, 3) of uint8, or something that acts like one."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any, /) -> Pixels: ...


def chunks(images: ImageArray) -> Iterator[Pixels]:
    """The images in pieces (n, H, W, 3), so that a set larger than memory can be read."""
    for start in range(0, len(images), CHUNK):
        yield images[start : start + CHUNK]


class ShardedImages:
    """Images (N, H, W, 3), uint8 0..255: image i lies in file `files[shards[i]]` at row `rows[i]`.

    A row number gives (H, W, 3); a slice, a list or an array of row numbers gives a new array (n, H, W, 3).
    Pickled, it carries names and numbers, no pixels.
    """

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(
        self,
        files: Sequence[Path],
        *,
        shards: NDArray[np.intp],
        rows: NDArray[np.intp],
        image_shape: tuple[int, ...],
    ) -> None:
        self._files = tuple(files)
        self._shards = shards
        self._rows = rows
        self._image_shape = image_shape

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self), *self._image_shape)

    def __len__(self) -> int:
        return len(self._shards)

    def __getitem__(self, rows: Any, /) -> Pixels:
        if isinstance(rows, (int, np.integer)):
            return np.array(_open_shard(self._files[self._shards[rows]])[self._rows[rows]])
        shards, places = self._shards[rows], self._rows[rows]
        images = np.empty((len(shards), *self._image_shape), np.uint8)
        for shard in np.unique(shards):
            chosen = shards == shard
            images[chosen] = _open_shard(self._files[shard])[places[chosen]]
        return images

    def view(self, rows: slice | NDArray[np.intp]) -> ShardedImages:
        """The images of these rows; none of them is read."""
        return ShardedImages(
            self._files, shards=self._shards[rows], rows=self._rows[rows], image_shape=self._image_shape
        )

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self[:].astype(dtype or np.uint8, copy=False)


@lru_cache(maxsize=OPEN_SHARDS)
def _open_shard(file: Path) -> Pixels:
    images: Pixels = np.load(file, mmap_mode="r")
    return images
