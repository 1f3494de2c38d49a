"""Residual CNNs (He et al. 2016, basic block of figure 2) for images of 8 to 256 pixels."""

from __future__ import annotations

from collections.abc import Callable

import keras
from keras import KerasTensor, layers

from models import ImageShape
from models.blocks import convolution, pixels_to_unit
from models.head import classification_head

Attention = Callable[[KerasTensor], KerasTensor]


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
    x = stack_stages(x, basic_block, filters=filters, stages=stages, blocks=blocks)
    return keras.Model(inputs, classification_head(x, num_classes, dropout=dropout), name="residual")


def build_resnet18(
    image_shape: ImageShape, num_classes: int, *, stem_strides: int = 1, dropout: float = 0.0
) -> keras.Model:
    """ResNet-18 (He et al. 2016, table 1) with a 3 x 3 stem and no first pooling, for images of 32 pixels."""
    size = {"filters": 64, "stages": 4, "blocks": 2}
    return build_residual(image_shape, num_classes, **size, stem_strides=stem_strides, dropout=dropout)


def stack_stages(
    x: KerasTensor, block: Callable[..., KerasTensor], *, filters: int, stages: int, blocks: int
) -> KerasTensor:
    """`block(x, filters, strides=...)`, `blocks` times a stage; the first of a later stage has strides 2."""
    for stage in range(stages):
        for number in range(blocks):
            halve = stage > 0 and number == 0
            x = block(x, filters * 2**stage, strides=2 if halve else 1)
    return x


def basic_block(
    x: KerasTensor, filters: int, *, strides: int, attention: Attention | None = None
) -> KerasTensor:
    """Two convolutions beside a shortcut; `attention` weighs what they add to it."""
    shortcut = x
    if strides > 1 or x.shape[-1] != filters:
        shortcut = convolution(x, filters, kernel_size=1, strides=strides, activate=False)
    x = convolution(x, filters, strides=strides)
    x = convolution(x, filters, activate=False)
    if attention:
        x = attention(x)
    return layers.ReLU()(layers.Add()([x, shortcut]))
