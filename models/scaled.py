"""EfficientNet's compound scaling (Tan & Le 2019): one number sets depth, width and the images' size."""

from __future__ import annotations

import math
from dataclasses import dataclass

import keras
from keras import KerasTensor, layers

from models import ImageShape
from models.blocks import pixels_to_unit
from models.head import classification_head
from models.squeeze_excite import excite

# Tan & Le 2019, section 3.3, step 1: of depth, width and resolution; each phi about doubles the work.
ALPHA, BETA, GAMMA = 1.2, 1.1, 1.15
BASE_SIDE = 224
STEM_FILTERS, HEAD_FILTERS = 32, 1280
SIDE_MULTIPLE = 8


@dataclass(frozen=True)
class _Stage:
    """MBConv blocks: the first has `strides`."""

    expansion: int
    filters: int
    repeats: int
    strides: int
    kernel_size: int


# EfficientNet-B0 (Tan & Le 2019, table 1).
STAGES = (
    _Stage(1, 16, repeats=1, strides=1, kernel_size=3),
    _Stage(6, 24, repeats=2, strides=2, kernel_size=3),
    _Stage(6, 40, repeats=2, strides=2, kernel_size=5),
    _Stage(6, 80, repeats=3, strides=2, kernel_size=3),
    _Stage(6, 112, repeats=3, strides=1, kernel_size=5),
    _Stage(6, 192, repeats=4, strides=2, kernel_size=5),
    _Stage(6, 320, repeats=1, strides=1, kernel_size=3),
)


def image_side(phi: int) -> int:
    """The side in pixels that goes with phi: 224 at 0, to the nearest multiple of 8."""
    return SIDE_MULTIPLE * round(BASE_SIDE * GAMMA**phi / SIDE_MULTIPLE)


def build_scaled(
    image_shape: ImageShape, num_classes: int, *, phi: int = 0, stem_strides: int = 2, dropout: float = 0.0
) -> keras.Model:
    """EfficientNet-B0 at phi 0, each phi more with 1.2 times the layers and 1.1 times the filters.

    Negative phi gives smaller networks. Small images want stem_strides of 1: the stages divide by 16 more.
    """
    inputs = keras.Input(image_shape)
    x = _mobile_network(pixels_to_unit(inputs), depth=ALPHA**phi, width=BETA**phi, stem_strides=stem_strides)
    return keras.Model(inputs, classification_head(x, num_classes, dropout=dropout), name="scaled")


def _mobile_network(x: KerasTensor, *, depth: float, width: float, stem_strides: int) -> KerasTensor:
    """Table 1 with its numbers of layers times `depth` and of filters times `width`."""
    x = _convolution(x, _round_filters(STEM_FILTERS * width), kernel_size=3, strides=stem_strides)
    for stage in STAGES:
        for number in range(math.ceil(stage.repeats * depth)):
            x = _mobile_block(x, stage, filters=_round_filters(stage.filters * width), is_first=number == 0)
    return _convolution(x, _round_filters(HEAD_FILTERS * width), kernel_size=1)


def _mobile_block(x: KerasTensor, stage: _Stage, *, filters: int, is_first: bool) -> KerasTensor:
    """MBConv (Sandler et al. 2018, with the squeeze-and-excitation of Tan et al. 2019)."""
    before, channels = x, x.shape[-1]
    strides = stage.strides if is_first else 1
    if stage.expansion > 1:
        x = _convolution(x, channels * stage.expansion, kernel_size=1)
    x = layers.DepthwiseConv2D(stage.kernel_size, strides=strides, padding="same", use_bias=False)(x)
    x = layers.Activation("swish")(layers.BatchNormalization()(x))
    x = excite(x, units=max(1, channels // 4), activation="swish")
    x = _convolution(x, filters, kernel_size=1, activate=False)
    return layers.Add()([x, before]) if strides == 1 and filters == channels else x


def _convolution(
    x: KerasTensor, filters: int, *, kernel_size: int, strides: int = 1, activate: bool = True
) -> KerasTensor:
    x = layers.Conv2D(filters, kernel_size, strides=strides, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    return layers.Activation("swish")(x) if activate else x


def _round_filters(filters: float) -> int:
    """The nearest multiple of 8, never less than 90 % (the authors' code)."""
    rounded = max(8, int(filters + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * filters else rounded
