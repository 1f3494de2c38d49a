"""What several families are made of."""

from __future__ import annotations

import keras
from keras import KerasTensor, layers

# Of ImageNet's training images, 0..1: what most published weights were trained with.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)
# Simonyan & Zisserman 2015, section 2.1: "subtracting the mean RGB value"; here in the order of Caffe, BGR.
CAFFE_MEAN = (103.939, 116.779, 123.68)


def pixels_to_unit(pixels: KerasTensor) -> KerasTensor:
    """Pixels 0..255 as -1..1: what every network of our own begins with."""
    return layers.Rescaling(1 / 127.5, offset=-1.0, name="pixels_to_unit")(pixels)


def pixels_standardised(pixels: KerasTensor) -> KerasTensor:
    """Pixels 0..255 less ImageNet's mean, in units of its standard deviation ("torch" in Keras)."""
    mean = [255 * mean for mean in IMAGENET_MEAN]
    variance = [(255 * deviation) ** 2 for deviation in IMAGENET_DEVIATION]
    return layers.Normalization(mean=mean, variance=variance, name="pixels_standardised")(pixels)


def pixels_to_bgr(pixels: KerasTensor) -> KerasTensor:
    """Pixels 0..255 as blue, green, red less ImageNet's mean, not scaled ("caffe" in Keras)."""
    # Not `flip`: LiteRT's int8 reads a reversed tensor by another scale than it is written by.
    bgr = keras.ops.take(pixels, [2, 1, 0], axis=-1)
    return layers.Normalization(mean=CAFFE_MEAN, variance=[1.0] * 3, name="pixels_to_bgr")(bgr)


def convolution(
    x: KerasTensor,
    filters: int,
    *,
    kernel_size: int = 3,
    strides: int = 1,
    dilation: int = 1,
    activate: bool = True,
) -> KerasTensor:
    """Convolution without bias, batch norm, and ReLU unless told otherwise."""
    # He et al. 2015: the gain of 2 makes up for what ReLU cuts off, and without it would add up.
    initializer = keras.initializers.HeNormal() if activate else keras.initializers.LecunNormal()
    x = layers.Conv2D(
        filters,
        kernel_size,
        strides=strides,
        padding="same",
        dilation_rate=dilation,
        use_bias=False,
        kernel_initializer=initializer,
    )(x)
    x = layers.BatchNormalization()(x)
    return layers.ReLU()(x) if activate else x
