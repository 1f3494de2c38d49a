"""Batches out of images that lie on disk: only those in use are in memory."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from vision.image_array import ImageArray
from vision.training.devices import devices_sharing, shareable
from vision.training.several_workers import ALONE, Worker

# ({"images": (B, H, W, 3) uint8, "targets": (B, K) float32},): Keras wants a tuple, of inputs alone here.
TrainerBatch = tuple[dict[str, NDArray[Any]]]


class Batches(keras.utils.PyDataset):
    """What vision.training.trainer.Trainer takes, in an order that seed and epoch decide.

    Where there is at least one whole batch, the incomplete last one is left out of the epoch: its
    few images would make noisy batch-norm statistics, and the next epoch shuffles anew.

    With `alternating_flip` a drawn half of the images is mirrored in the first epoch, the other half in the
    second, and so on: in two epochs each is seen both ways, where a coin would show half of them one way
    twice (Jordan 2024, "94% on CIFAR-10 in 3.29 seconds", section 3.6).
    """

    def __init__(
        self,
        images: ImageArray,
        targets: NDArray[np.float32],
        *,
        batch_size: int,
        seed: int,
        alternating_flip: bool = False,
    ) -> None:
        super().__init__()
        self._images = images
        self._targets = targets
        self._batch_size = min(batch_size, len(images))
        self._seed = seed
        self._alternating_flip = alternating_flip
        self.enter(0)

    def __len__(self) -> int:
        return len(self._images) // self._batch_size

    def __getitem__(self, index: int) -> TrainerBatch:
        start = index * self._batch_size
        # Sorted inside the batch: neighbours on disk are read together.
        rows = np.sort(self._order[start : start + self._batch_size])
        images = self._images[rows]
        if self._alternating_flip:
            images = np.where(self._mirrored[rows, None, None, None], images[:, :, ::-1], images)
        return ({"images": images, "targets": self._targets[rows]},)

    def enter(self, epoch: int, rows: NDArray[np.intp] | None = None) -> None:
        """Shuffles for an epoch, counted from 0, of the images `rows`; None: of all.

        An epoch has as many batches whatever it draws from, so that schedules can count them: where there
        are fewer rows than images, each comes again after all have come.
        """
        random = np.random.default_rng((self._seed, epoch))
        rows = np.arange(len(self._images)) if rows is None else rows
        rounds = -(-len(self._images) // len(rows))
        self._order = np.concatenate([random.permutation(rows) for _ in range(rounds)])
        coins = np.random.default_rng(self._seed).integers(2, size=len(self._images))
        self._mirrored = (coins + epoch) % 2 == 1


class OrderedBatches(keras.utils.PyDataset):
    """The same for validation: every image once, in the order of the array; the last batch may be smaller.

    Where several devices share a batch, the first images come again at the end until all have as many.
    Of several workers each has a part of the images, which need not be equal: they add up their metrics.
    """

    def __init__(
        self,
        images: ImageArray,
        targets: NDArray[np.float32],
        *,
        batch_size: int,
        worker: Worker = ALONE,
    ) -> None:
        super().__init__()
        self._images = images
        self._targets = targets
        self._batch_size = shareable(batch_size)
        self._rows = worker.part_of(len(images))
        devices = devices_sharing()
        self._count = -(-len(self._rows) // devices) * devices

    def __len__(self) -> int:
        return -(-self._count // self._batch_size)

    def __getitem__(self, index: int) -> TrainerBatch:
        start = index * self._batch_size
        places = np.arange(start, min(start + self._batch_size, self._count))
        rows = self._rows[places % len(self._rows)]
        return ({"images": self._images[rows], "targets": self._targets[rows]},)
