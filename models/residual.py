"""A small residual CNN (He et al. 2016, basic block of figure 2) for images of 8 to 256 pixels."""

from __future__ import annotations

import keras
from keras import KerasTensor, layers

from models import ImageShape
from models.blocks import convolution, pixels_to_unit


def build_residual(
    image_shape: ImageShape,
    num_classes: int,
    *,
    filters: int = 32,
    stages: int = 3,
    blocks: int = 1,
    stem_strides: int = 1,
    dropout: float = 0.0,
) -> keras.Model:
    """Stages of basic blocks; each stage after the first halves the side and doubles the filters."""
    inputs = keras.Input(image_shape)
    x = convolution(pixels_to_unit(inputs), filters, strides=stem_strides)
    for stage in range(stages):
        for block in range(blocks):
            halve = stage > 0 and block == 0
            x = _basic_block(x, filters * 2**stage, strides=2 if halve else 1)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(dropout)(x)
    return keras.Model(inputs, layers.Dense(num_classes, name="logits")(x), name="residual")


def _basic_block(x: KerasTensor, filters: int, *, strides: int) -> KerasTensor:
    shortcut = x
    if strides > 1 or x.shape[-1] != filters:
        shortcut = convolution(x, filters, kernel_size=1, strides=strides, activate=False)
    x = convolution(x, filters, strides=strides)
    x = convolution(x, filters, activate=False)
    return layers.ReLU()(layers.Add()([x, shortcut]))
