"""The operations that RandAugment and AugMix draw from: Keras' layers, with the papers' ranges.

Keras 3.15 has layers of both names. They are not used:
- its RandAugment hands one factor to every operation, whatever it means there: posterisation and
  solarisation are strongest where the magnitude is smallest (mean change of a photo at magnitude 0.05:
  58 and 112 of 255), rotation goes up to half a turn at 0.5, shifts and brightness go one way only;
  and it computes all eleven operations to keep one (two operations on 32 images of 96 pixels on two
  cores: 171 ms, here 14);
- its AugMix chooses operations by Python's own random numbers while the graph is traced: the layer's
  seed does not decide them, and a whole training has the same ones in every batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
from keras import KerasTensor, layers, ops

PIXELS = (0, 255)


@dataclass(frozen=True)
class Operation:
    """`build(magnitude 0..1, seed)` gives an image layer of Keras, for pixels 0..255."""

    name: str
    build: Callable[[float, int], layers.Layer]


class Solarization(layers.Solarization):
    """Inverts pixels above a threshold that falls from 256 to 256 * (1 - magnitude).

    Keras 3.15 draws thresholds from 0 upwards, so that the smallest factor inverts nearly everything.
    """

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        drawn = super().get_random_transformation(data, training=training, seed=seed)
        return drawn | {"thresholds": 256 - drawn["thresholds"]}


class Equalization(layers.Equalization):
    """Counts in one operation: on JAX, Keras 3.15 writes 256 of them, which take 37 s to compile, not 1."""

    def _custom_histogram_fixed_width(self, values: Any, value_range: Any, nbins: int) -> Any:
        numbers = ops.cast(ops.clip(ops.reshape(values, (-1,)), *PIXELS), "int32")
        return ops.segment_sum(ops.ones_like(numbers), numbers, num_segments=nbins)


# Ranges at magnitude 1: Cubuk et al. 2019 (AutoAugment), table 6; its 0.1..1.9 is 1 -+ 0.9 here.
# AugMix leaves out what resembles ImageNet-C, which is kept to test with (Hendrycks et al. 2020, section 3).
AUG_MIX_OPERATIONS = (
    Operation("auto_contrast", lambda size, seed: layers.AutoContrast(value_range=PIXELS)),
    Operation("equalize", lambda size, seed: Equalization(value_range=PIXELS)),
    Operation("rotate", lambda size, seed: layers.RandomRotation(30 / 360 * size, seed=seed)),
    Operation("solarize", lambda size, seed: Solarization(0, (0, size), value_range=PIXELS, seed=seed)),
    Operation(
        "posterize", lambda size, seed: layers.RandomPosterization((8 - round(4 * size), 8), seed=seed)
    ),
    Operation("shear_x", lambda size, seed: layers.RandomShear(x_factor=0.3 * size, seed=seed)),
    Operation("shear_y", lambda size, seed: layers.RandomShear(y_factor=0.3 * size, seed=seed)),
    Operation("shift_x", lambda size, seed: layers.RandomTranslation(0, 0.45 * size, seed=seed)),
    Operation("shift_y", lambda size, seed: layers.RandomTranslation(0.45 * size, 0, seed=seed)),
)
OPERATIONS = (
    *AUG_MIX_OPERATIONS,
    Operation(
        "color", lambda size, seed: layers.RandomColorDegeneration((-0.9 * size, 0.9 * size), seed=seed)
    ),
    # A pair, because Keras reads a single factor as 1 .. 1 + factor.
    Operation("contrast", lambda size, seed: layers.RandomContrast((0.9 * size, 0.9 * size), seed=seed)),
    # Added, not multiplied: 0.45 of the range is what 0.1..1.9 does to a pixel of 128.
    Operation("brightness", lambda size, seed: layers.RandomBrightness(0.45 * size, PIXELS, seed=seed)),
    # 0 is PIL's smoothed image, 0.5 the image itself, 1 as far beyond it.
    Operation(
        "sharpness",
        lambda size, seed: layers.RandomSharpness((0.5 - 0.45 * size, 0.5 + 0.45 * size), seed=seed),
    ),
)


class RandomOperations(layers.Layer):
    """Applies operations to pixels (N, H, W, 3), float 0..255, one after the other.

    A batch shares its operations, as in Keras; each image has strengths and signs of its own.
    """

    def __init__(self, operations: Sequence[Operation], magnitude: float, *, seed: int) -> None:
        super().__init__()
        self._operations = [
            operation.build(magnitude, 100 * seed + place) for place, operation in enumerate(operations)
        ]
        self._seeds = keras.random.SeedGenerator(seed)
        # Nothing here has weights: built by hand, Keras need not trace every branch to find that out.
        for layer in (self, *self._operations):
            layer.built = True

    def draw(self, count: int) -> KerasTensor:
        """Numbers of operations (count,); 0 leaves the images as they are, as RandAugment's 14th does."""
        return keras.random.randint((count,), 0, len(self._operations) + 1, seed=self._seeds)

    def call(self, images: KerasTensor, numbers: KerasTensor) -> KerasTensor:
        # Random numbers are drawn out here: under JAX neither a loop nor a branch may change their state.
        branches = [
            partial(layer.transform_images, transformation=layer.get_random_transformation(images))
            for layer in self._operations
        ]

        def apply(place: KerasTensor, images: KerasTensor) -> KerasTensor:
            return ops.clip(ops.switch(numbers[place], [ops.copy, *branches], images), *PIXELS)

        # A loop of the graph, whose branches are traced once: AugMix starts in 1.5 s instead of 4.
        return ops.fori_loop(0, numbers.shape[0], apply, images)
