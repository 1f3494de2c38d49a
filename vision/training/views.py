"""Two random views of an image, from which self-supervision learns what does not matter."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import layers, ops

# Chen et al. 2020 (SimCLR), appendix A: crops of 8 to 100 % of the area and a strength of colour of 1 for
# ImageNet; for CIFAR-10 (B.9) half the strength and no blur. An eighth of 32 pixels shows nothing, so the
# smallest crop is that of the usual CIFAR-10 settings.
SMALLEST_AREA = 0.2
ASPECT_RATIO = 4 / 3
COLOUR_STRENGTH = 0.4
BRIGHTNESS = 0.2  # Keras adds it where SimCLR multiplies: 0.4 makes many a picture black or white
HUE = 0.1
GREY_SHARE = 0.2


class RandomResizedCrop(layers.Layer):
    """Of each image (N, H, W, C) a random part of its own, at the size of the whole."""

    def __init__(self, *, seed: int) -> None:
        super().__init__()
        self._seeds = keras.random.SeedGenerator(seed)
        self.supports_jit = keras.backend.backend() != "tensorflow"  # no XLA kernel in TensorFlow 2.21

    def call(self, images: Any) -> Any:
        count, height, width = ops.shape(images)[0], images.shape[1], images.shape[2]
        area, ratio, top, left = ops.unstack(keras.random.uniform((4, count), seed=self._seeds), axis=0)
        area = SMALLEST_AREA + (1 - SMALLEST_AREA) * area
        stretch = ops.exp((ratio - 0.5) * math.log(ASPECT_RATIO))  # of half the range: of each side its root
        tall, wide = ops.minimum(ops.sqrt(area) * stretch, 1.0), ops.minimum(ops.sqrt(area) / stretch, 1.0)
        # A pixel's centre is half a pixel from its corner.
        down = top * (1 - tall) * height + 0.5 * tall - 0.5
        right = left * (1 - wide) * width + 0.5 * wide - 0.5
        none = ops.zeros_like(area)
        transform = ops.stack([wide, none, right, none, tall, down, none, none], axis=1)
        return ops.image.affine_transform(images, transform, interpolation="bilinear", fill_mode="nearest")


def view_layers(*, flips: bool, seed: int) -> list[layers.Layer]:
    """Layers from images (N, H, W, 3), float32 0..255, to a random view of each; `flips`: mirrors too."""
    jitter = layers.RandomColorJitter(
        brightness_factor=BRIGHTNESS,
        contrast_factor=COLOUR_STRENGTH,
        saturation_factor=(0.5 - COLOUR_STRENGTH / 2, 0.5 + COLOUR_STRENGTH / 2),  # 0.5 changes nothing
        hue_factor=HUE,
        seed=seed + 2,
    )
    return [
        RandomResizedCrop(seed=seed),
        *([layers.RandomFlip("horizontal", seed=seed + 1)] if flips else []),
        jitter,
        layers.RandomGrayscale(GREY_SHARE, seed=seed + 3),
    ]
