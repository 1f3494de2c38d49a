"""CBAM (Woo et al. 2018) on residual blocks: what to look at, then where."""

from __future__ import annotations

from functools import partial

import keras
from keras import KerasTensor, layers, ops

from models import ImageShape
from models.blocks import convolution, pixels_to_unit
from models.head import classification_head
from models.residual import basic_block, stack_stages
from models.squeeze_excite import reduced

SPATIAL_KERNEL = 7  # Woo et al. 2018, section 5.1: better than 3


def build_cbam(
    image_shape: ImageShape,
    num_classes: int,
    *,
    filters: int = 32,
    stages: int = 3,
    blocks: int = 1,
    stem_strides: int = 1,
    dropout: float = 0.0,
) -> keras.Model:
    """The residual network with channel and spatial attention in each block (Woo et al. 2018, figure 3)."""
    inputs = keras.Input(image_shape)
    x = convolution(pixels_to_unit(inputs), filters, strides=stem_strides)
    block = partial(basic_block, attention=attend)
    x = stack_stages(x, block, filters=filters, stages=stages, blocks=blocks)
    return keras.Model(inputs, classification_head(x, num_classes, dropout=dropout), name="cbam")


def attend(x: KerasTensor) -> KerasTensor:
    """(N, h, w, C) with its channels weighed, then its places; all weights 0..1."""
    x = layers.Multiply()([x, _channel_weights(x)])
    return layers.Multiply()([x, _spatial_weights(x)])


def _channel_weights(x: KerasTensor) -> KerasTensor:
    """(N, 1, 1, C): one small network for means and for maxima, its answers added (equation 2)."""
    channels = x.shape[-1]
    mean = layers.GlobalAveragePooling2D(keepdims=True)(x)
    largest = layers.GlobalMaxPooling2D(keepdims=True)(x)
    # Side by side as two places of one image, so that the layers are shared without being called twice.
    both = layers.Concatenate(axis=1)([mean, largest])
    both = layers.Conv2D(reduced(channels), 1, activation="relu")(both)
    both = layers.Conv2D(channels, 1)(both)
    return layers.Activation("sigmoid")(ops.sum(both, axis=1, keepdims=True))


def _spatial_weights(x: KerasTensor) -> KerasTensor:
    """(N, h, w, 1), from the mean and the maximum of the channels at each place (equation 3)."""
    both = [ops.mean(x, axis=-1, keepdims=True), ops.max(x, axis=-1, keepdims=True)]
    joined = layers.Concatenate()(both)
    weights = convolution(joined, 1, kernel_size=SPATIAL_KERNEL, activate=False)
    return layers.Activation("sigmoid")(weights)
