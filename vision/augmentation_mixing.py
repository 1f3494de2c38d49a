"""MixUp and CutMix: two training images become one, and their labels with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers, ops


class CutMix(layers.CutMix):
    """A box of another image, and of its label the share of the pixels that were really pasted.

    Keras 3.15 gives the label the share of a box with fractional sides: up to a row and a column of
    pixels off, which is 6 % of the label where an image has 32 pixels a side.
    """

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        drawn = super().get_random_transformation(data, training=training, seed=seed)
        if drawn is None:
            return None
        pasted = ops.mean(ops.cast(drawn["batch_masks"], self.compute_dtype), axis=(1, 2, 3))
        return drawn | {"mix_weight": 1 - pasted}


def cut_mix(alpha: float, *, seed: int) -> layers.Layer:
    """CutMix with Beta(alpha, alpha): Keras would draw alpha too, from 0 upwards, were it one number."""
    return CutMix((alpha, alpha), seed=seed)


class OneOf(layers.Layer):
    """One of several mixing layers for each batch {"images": (N, H, W, 3), "labels": (N, K)}."""

    def __init__(self, mixes: Sequence[layers.Layer], *, seed: int) -> None:
        super().__init__()
        self.built = True  # no weights
        self._mixes = list(mixes)
        self._seeds = keras.random.SeedGenerator(seed)

    def call(self, batch: dict[str, Any], training: bool = False) -> dict[str, Any]:
        if not training:
            return batch
        # All are computed and one is kept: they cost little, and a branch may not draw under JAX.
        mixed = [mix(dict(batch), training=True) for mix in self._mixes]
        number = keras.random.randint((), 0, len(mixed), seed=self._seeds)
        return {name: ops.take(ops.stack([each[name] for each in mixed]), number, axis=0) for name in batch}
