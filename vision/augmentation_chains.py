"""RandAugment and AugMix: chains of random operations on a batch of images."""

from __future__ import annotations

from typing import Any

import keras
from keras import KerasTensor, layers, ops

from vision.augmentation_operations import AUG_MIX_OPERATIONS, OPERATIONS, RandomOperations

# AugMix: Hendrycks et al. 2020, section 3 and algorithm 1.
CHAINS = 3
MAX_DEPTH = 3


class RandAugment(layers.Layer):
    """`count` operations one after the other (Cubuk et al. 2020); strengths up to `magnitude` 0..1."""

    def __init__(self, count: int, magnitude: float, *, seed: int) -> None:
        super().__init__()
        self.built = True  # no weights
        self._count = count
        self._operations = RandomOperations(OPERATIONS, magnitude, seed=seed)

    def call(self, batch: dict[str, Any], training: bool = False) -> dict[str, Any]:
        if not training:
            return batch
        return batch | {"images": self._operations(batch["images"], self._operations.draw(self._count))}


class AugMix(layers.Layer):
    """Three chains of one to three operations, mixed with one another and with the image itself.

    The paper's consistency loss is not here: it would triple the cost of a step.
    """

    def __init__(self, severity: float, *, seed: int) -> None:
        super().__init__()
        self.built = True  # no weights
        self._operations = RandomOperations(AUG_MIX_OPERATIONS, severity, seed=seed)
        self._seeds = keras.random.SeedGenerator(seed)

    def call(self, batch: dict[str, Any], training: bool = False) -> dict[str, Any]:
        if not training:
            return batch
        images = batch["images"]
        mixture = ops.zeros_like(images)
        weights = self._weights(ops.shape(images)[0])
        for chain in range(CHAINS):
            mixture += weights[:, chain, None, None, None] * self._chain(images)
        # Beta(1, 1), which the paper draws, is the uniform distribution.
        own = keras.random.uniform((ops.shape(images)[0], 1, 1, 1), seed=self._seeds)
        return batch | {"images": own * images + (1 - own) * mixture}

    def _weights(self, count: KerasTensor | int) -> KerasTensor:
        """Dirichlet(1, 1, 1), shape (N, 3): exponential variables, divided by their sum."""
        drawn = keras.random.gamma((count, CHAINS), alpha=1.0, seed=self._seeds)
        return drawn / ops.sum(drawn, axis=1, keepdims=True)

    def _chain(self, images: KerasTensor) -> KerasTensor:
        depth = keras.random.randint((), 1, MAX_DEPTH + 1, seed=self._seeds)
        numbers = self._operations.draw(MAX_DEPTH)
        return self._operations(images, ops.where(ops.arange(MAX_DEPTH) < depth, numbers, 0))
