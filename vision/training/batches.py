"""Batches out of images that lie on disk: only those in use are in memory."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from vision.image_array import ImageArray

# ({"images": (B, H, W, 3) uint8, "targets": (B, K) float32},): Keras wants a tuple, of inputs alone here.
TrainerBatch = tuple[dict[str, NDArray[Any]]]


class Batches(keras.utils.PyDataset):
    """What vision.training.trainer.Trainer takes, in an order that seed and epoch decide.

    Where there is at least one whole batch, the incomplete last one is left out of the epoch: its
    few images would make noisy batch-norm statistics, and the next epoch shuffles anew.
    """

    def __init__(
        self, images: ImageArray, targets: NDArray[np.float32], *, batch_size: int, seed: int
    ) -> None:
        super().__init__()
        self._images = images
        self._targets = targets
        self._batch_size = min(batch_size, len(images))
        self._seed = seed
        self._epoch = 0
        self._shuffle()

    def __len__(self) -> int:
        return len(self._images) // self._batch_size

    def __getitem__(self, index: int) -> TrainerBatch:
        start = index * self._batch_size
        # Sorted inside the batch: neighbours on disk are read together.
        rows = np.sort(self._order[start : start + self._batch_size])
        return ({"images": self._images[rows], "targets": self._targets[rows]},)

    def on_epoch_end(self) -> None:
        self._epoch += 1
        self._shuffle()

    def _shuffle(self) -> None:
        self._order = np.random.default_rng((self._seed, self._epoch)).permutation(len(self._images))


class OrderedBatches(keras.utils.PyDataset):
    """The same for validation: every image once, in the order of the array; the last batch may be smaller."""

    def __init__(self, images: ImageArray, targets: NDArray[np.float32], *, batch_size: int) -> None:
        super().__init__()
        self._images = images
        self._targets = targets
        self._batch_size = batch_size

    def __len__(self) -> int:
        return -(-len(self._images) // self._batch_size)

    def __getitem__(self, index: int) -> TrainerBatch:
        rows = slice(index * self._batch_size, (index + 1) * self._batch_size)
        return ({"images": self._images[rows], "targets": self._targets[rows]},)
