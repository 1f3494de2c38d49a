"""Easy images first: which images an epoch sees (Hacohen & Weinshall 2019, self-taught scoring)."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from vision.keras_batches import for_keras
from vision.training.batches import Batches, OrderedBatches

FIRST_SHARE = 0.5

Numbers = NDArray[Any]


class Curriculum(keras.callbacks.Callback):
    """Tells the batches each epoch and its images: all, or those that the model itself finds easy.

    The first epoch sees all images. At its end the loss of each, as it is without augmentation, says how
    hard it is; the next `epochs` epochs see the easiest share of each class, which grows from half in a
    straight line and reaches the whole in the epoch after them. With 0 epochs every epoch sees all.
    """

    remembered = ("losses",)

    def __init__(
        self,
        batches: Batches,
        ordered: OrderedBatches,
        targets: Numbers,
        *,
        loss: keras.losses.Loss,
        epochs: int,
    ) -> None:
        super().__init__()
        self._batches, self._ordered, self._targets = batches, ordered, targets
        self._loss, self._epochs = loss, epochs
        self.losses: Numbers | None = None

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        rows = None
        if self.losses is not None and epoch <= self._epochs:
            share = FIRST_SHARE + (1 - FIRST_SHARE) * (epoch - 1) / self._epochs
            rows = easiest(self.losses, self._targets, share)
        self._batches.enter(epoch, rows)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if epoch == 0 and self._epochs:
            # Where devices share batches, the first images come again at the end.
            logits = self.model.predict(for_keras(self._ordered), verbose=0)["logits"][: len(self._targets)]
            self.losses = ops.convert_to_numpy(self._loss.call(ops.convert_to_tensor(self._targets), logits))


def easiest(losses: Numbers, targets: Numbers, share: float) -> NDArray[np.intp]:
    """Rows, ascending, of the `share` of each class (N, K) that has the lowest losses (N,), rounded up.

    An image of several classes is in where it is easy for one of them; those of no class are one more.
    """
    chosen = np.zeros(len(losses), bool)
    for members in (*(targets > 0).T, ~(targets > 0).any(axis=1)):
        rows = np.flatnonzero(members)
        chosen[rows[np.argsort(losses[rows], kind="stable")][: int(np.ceil(share * len(rows)))]] = True
    return np.flatnonzero(chosen)
