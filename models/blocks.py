"""What several families are made of."""

from __future__ import annotations

import keras
from keras import KerasTensor, layers


def pixels_to_unit(pixels: KerasTensor) -> KerasTensor:
    """Pixels 0..255 as -1..1: the one place where pixels are scaled."""
    return layers.Rescaling(1 / 127.5, offset=-1.0, name="pixels_to_unit")(pixels)


def convolution(
    x: KerasTensor, filters: int, *, kernel_size: int = 3, strides: int = 1, activate: bool = True
) -> KerasTensor:
    """Convolution without bias, batch norm, and ReLU unless told otherwise."""
    x = layers.Conv2D(
        filters,
        kernel_size,
        strides=strides,
        padding="same",
        use_bias=False,
        kernel_initializer=keras.initializers.HeNormal(),
    )(x)
    x = layers.BatchNormalization()(x)
    return layers.ReLU()(x) if activate else x
