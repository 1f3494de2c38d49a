"""The two custom CNNs of the reference system."""

from __future__ import annotations

import keras
from keras import layers

from models import ImageShape
from models.blocks import convolution, pixels_to_unit
from models.head import logits

L2_STRENGTH = 1e-4  # the reference says "L2 on the convolutions" and no number


def build_reference_a(image_shape: ImageShape, num_classes: int, *, dropout: float = 0.5) -> keras.Model:
    """CNN A: 64, 128, 256 and 256 filters, global average pool, dense 512; 224 x 224 in the reference."""
    inputs = keras.Input(image_shape)
    x = pixels_to_unit(inputs)
    for filters, repeats in ((64, 1), (128, 1), (256, 2)):
        for _ in range(repeats):
            x = convolution(x, filters)
        x = layers.MaxPooling2D()(x)
    x = layers.GlobalAveragePooling2D(name="features")(x)
    x = layers.Dense(512, activation="relu")(x)
    return keras.Model(inputs, logits(x, num_classes, dropout=dropout), name="reference_a")


def build_reference_b(image_shape: ImageShape, num_classes: int, *, dropout: float = 0.5) -> keras.Model:
    """CNN B: 32, 64, 128 and 256 filters, ReLU before batch norm, flatten, dense 512, L2."""
    inputs = keras.Input(image_shape)
    x = pixels_to_unit(inputs)
    for filters in (32, 64, 128, 256):
        regularizer = keras.regularizers.L2(L2_STRENGTH)
        x = layers.Conv2D(filters, 3, padding="same", activation="relu", kernel_regularizer=regularizer)(x)
        x = layers.BatchNormalization()(x)
        x = layers.MaxPooling2D()(x)
    x = layers.Flatten(name="features")(x)
    x = layers.Dense(512, activation="relu")(x)
    return keras.Model(inputs, logits(x, num_classes, dropout=dropout), name="reference_b")
