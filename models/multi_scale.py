"""Blocks that look at three scales at once, by dilated convolutions side by side.

Dilation widens what a 3 x 3 convolution sees without more weights (Yu & Koltun 2016); branches of several
rates are joined as in atrous spatial pyramid pooling (Chen et al. 2017).
"""

from __future__ import annotations

import keras
from keras import KerasTensor, layers

from models import ImageShape
from models.blocks import convolution, pixels_to_unit
from models.head import classification_head
from models.residual import stack_stages

DILATIONS = (1, 2, 3)  # 3 x 3, 5 x 5 and 7 x 7 pixels are seen


def build_multi_scale(
    image_shape: ImageShape,
    num_classes: int,
    *,
    filters: int = 32,
    stages: int = 3,
    blocks: int = 1,
    stem_strides: int = 1,
    dropout: float = 0.0,
) -> keras.Model:
    """Stages of multi-scale blocks; each stage after the first halves the side and doubles the filters."""
    inputs = keras.Input(image_shape)
    x = convolution(pixels_to_unit(inputs), filters, strides=stem_strides)
    x = stack_stages(x, _multi_scale_block, filters=filters, stages=stages, blocks=blocks)
    return keras.Model(inputs, classification_head(x, num_classes, dropout=dropout), name="multi_scale")


def _multi_scale_block(x: KerasTensor, filters: int, *, strides: int) -> KerasTensor:
    """Dilated branches, joined and mixed by a 1 x 1 convolution, beside a shortcut."""
    if strides > 1:  # first, since a convolution cannot have both strides and dilation
        x = layers.AveragePooling2D(strides)(x)
    shortcut = x
    if x.shape[-1] != filters:
        shortcut = convolution(x, filters, kernel_size=1, activate=False)
    branches = [convolution(x, filters // 2, dilation=dilation) for dilation in DILATIONS]
    x = convolution(layers.Concatenate()(branches), filters, kernel_size=1, activate=False)
    return layers.ReLU()(layers.Add()([x, shortcut]))
