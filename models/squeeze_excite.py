"""Squeeze-and-excitation (Hu et al. 2018) on residual blocks: each channel is weighed by the whole image."""

from __future__ import annotations

from functools import partial

import keras
from keras import KerasTensor, layers

from models import ImageShape
from models.blocks import convolution, pixels_to_unit
from models.head import classification_head
from models.residual import basic_block, stack_stages

REDUCTION = 16  # Hu et al. 2018, section 6 on the reduction ratio; CBAM has the same
FEWEST_UNITS = 4  # of our own: networks for small images have 32 channels, and 2 units would say nothing


def build_squeeze_excite(
    image_shape: ImageShape,
    num_classes: int,
    *,
    filters: int = 32,
    stages: int = 3,
    blocks: int = 1,
    stem_strides: int = 1,
    dropout: float = 0.0,
) -> keras.Model:
    """SE-ResNet (Hu et al. 2018, figure 3): the residual network with `excite` in each block."""
    inputs = keras.Input(image_shape)
    x = convolution(pixels_to_unit(inputs), filters, strides=stem_strides)
    block = partial(basic_block, attention=excite)
    x = stack_stages(x, block, filters=filters, stages=stages, blocks=blocks)
    return keras.Model(inputs, classification_head(x, num_classes, dropout=dropout), name="squeeze_excite")


def reduced(channels: int) -> int:
    """Units of the bottleneck for so many channels."""
    return max(FEWEST_UNITS, channels // REDUCTION)


def excite(x: KerasTensor, *, units: int | None = None, activation: str = "relu") -> KerasTensor:
    """(N, h, w, C) with each channel times a weight 0..1, from all channels' means (equations 2 to 4)."""
    channels = x.shape[-1]
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = layers.Conv2D(units or reduced(channels), 1, activation=activation)(gate)
    gate = layers.Conv2D(channels, 1, activation="sigmoid")(gate)
    return layers.Multiply()([x, gate])
