"""DenseNet-BC (Huang et al. 2017): each layer sees the outputs of all layers before it."""

from __future__ import annotations

import keras
from keras import KerasTensor, layers

from models import ImageShape
from models.blocks import pixels_to_unit
from models.head import classification_head

BOTTLENECK = 4  # Huang et al. 2017, section 3: each 1 x 1 convolution gives 4 k maps
COMPRESSION = 0.5  # the same, theta of DenseNet-BC


def build_dense(
    image_shape: ImageShape,
    num_classes: int,
    *,
    growth: int = 12,
    blocks: int = 3,
    block_layers: int = 6,
    stem_strides: int = 1,
    dropout: float = 0.0,
) -> keras.Model:
    """Dense blocks of `block_layers` layers that add `growth` maps each; the side is halved in between.

    With 16 layers a block it is the paper's DenseNet-BC of depth 100 and growth 12 (table 2); large images
    want stem_strides of 4, as the paper has for ImageNet (table 1).
    """
    inputs = keras.Input(image_shape)
    x = _convolution(pixels_to_unit(inputs), 2 * growth, kernel_size=3, strides=stem_strides)
    for block in range(blocks):
        if block > 0:
            x = _transition(x)
        for _ in range(block_layers):
            x = _dense_layer(x, growth)
    x = _activate(x)
    return keras.Model(inputs, classification_head(x, num_classes, dropout=dropout), name="dense")


def _dense_layer(x: KerasTensor, growth: int) -> KerasTensor:
    new = _convolution(_activate(x), BOTTLENECK * growth, kernel_size=1)
    new = _convolution(_activate(new), growth, kernel_size=3)
    return layers.Concatenate()([x, new])


def _transition(x: KerasTensor) -> KerasTensor:
    x = _convolution(_activate(x), int(COMPRESSION * x.shape[-1]), kernel_size=1)
    return layers.AveragePooling2D(2)(x)


def _activate(x: KerasTensor) -> KerasTensor:
    """Batch norm and ReLU, here before the convolutions and not after them."""
    return layers.ReLU()(layers.BatchNormalization()(x))


def _convolution(x: KerasTensor, filters: int, *, kernel_size: int, strides: int = 1) -> KerasTensor:
    return layers.Conv2D(
        filters,
        kernel_size,
        strides=strides,
        padding="same",
        use_bias=False,
        kernel_initializer=keras.initializers.HeNormal(),
    )(x)
