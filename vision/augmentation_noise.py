"""Gaussian noise on pixels."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops


class PixelNoise(layers.Layer):
    """Adds noise of a standard deviation of `share` of 255 and clips; Keras' GaussianNoise takes 0..1."""

    def __init__(self, share: float, *, seed: int) -> None:
        super().__init__()
        self._deviation = 255 * share
        self._seeds = keras.random.SeedGenerator(seed)

    def call(self, batch: dict[str, Any], training: bool = False) -> dict[str, Any]:
        if not training:
            return batch
        images = batch["images"]
        noise = keras.random.normal(ops.shape(images), stddev=self._deviation, seed=self._seeds)
        return batch | {"images": ops.clip(images + noise, 0, 255)}
