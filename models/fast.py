"""A network that learns small images in few epochs, in the spirit of the CIFAR-10 speed runs.

airbench94 (Jordan 2024, "94% on CIFAR-10 in 3.29 seconds on a single GPU"): the first convolution whitens
the images' patches and is not trained, the others begin by handing on what they get, pooling is early, batch
norm forgets fast, and the logits are small.
Ours has ReLU for GELU, which is slower on a CPU, and any image size.
"""

from __future__ import annotations

import keras
import numpy as np
from keras import KerasTensor, layers
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from models import ImageShape
from models.blocks import pixels_to_unit
from models.head import logits

WHITENING = "whitening"
WHITENING_EPSILON = 5e-4  # airbench94, for pixels of unit variance: a floor for directions without signal
BATCH_NORM_MOMENTUM = 0.6  # airbench94
LOGIT_SCALE = 1 / 9  # of the earlier airbench94 and hlb-CIFAR10


def build_fast(
    image_shape: ImageShape,
    num_classes: int,
    *,
    width: int = 64,
    widest: int = 256,
    convolutions: int = 2,
    stem_strides: int = 1,
) -> keras.Model:
    """Three groups of convolutions, of `width`, `widest` and `widest` filters; `whiten` it before training.

    Images much larger than 32 pixels want stem_strides: patches of so many pixels a side are whitened then.
    """
    inputs = keras.Input(image_shape)
    side = max(2, stem_strides)
    # Twice as many filters as a patch has numbers: each direction and its opposite, since ReLU keeps one.
    whitening = layers.Conv2D(2 * 3 * side**2, side, strides=stem_strides, name=WHITENING)
    x = layers.ReLU()(whitening(pixels_to_unit(inputs)))
    whitening.kernel.trainable = False  # the bias is trained
    for filters in (width, widest, widest):
        x = _group(x, filters, convolutions)
    x = layers.GlobalMaxPooling2D(name="features")(x)
    x = layers.Rescaling(LOGIT_SCALE, dtype="float32")(logits(x, num_classes))
    return keras.Model(inputs, x, name="fast")


def whiten(model: keras.Model, images: NDArray[np.uint8]) -> None:
    """Sets the first convolution so that the patches of `images` (N, H, W, 3), 0..255, come out white.

    Its filters are the eigenvectors of the patches' second moments over the root of their eigenvalues, and
    the same negated: over those images each has a mean square of one.
    """
    layer = model.get_layer(WHITENING)
    moments = _second_moments(images, side=layer.kernel_size[0], strides=layer.strides[0])
    values, vectors = np.linalg.eigh(moments)
    floor = WHITENING_EPSILON * np.trace(moments) / len(moments)
    filters = vectors / np.sqrt(np.maximum(values, 0) + floor)
    layer.kernel.assign(np.concatenate([filters, -filters], axis=1).reshape(layer.kernel.shape))


def _second_moments(images: NDArray[np.uint8], *, side: int, strides: int) -> NDArray[np.float64]:
    """Means (P, P) of the products of a patch's P numbers, image by image to spare memory."""
    total, count = np.zeros((3 * side**2,) * 2), 0
    for image in images:
        unit = image / 127.5 - 1  # as pixels_to_unit has it
        patches = sliding_window_view(unit, (side, side), axis=(0, 1))[::strides, ::strides]
        rows = patches.transpose(0, 1, 3, 4, 2).reshape(-1, len(total))
        total += rows.T @ rows
        count += len(rows)
    return total / count


def _pass_on(kernel: keras.Variable) -> None:
    """Sets the first filters so that each hands on one channel unchanged; the others stay random."""
    values = np.array(kernel)
    handed_on = min(values.shape[2:])
    values[..., :handed_on] = 0
    values[1, 1, range(handed_on), range(handed_on)] = 1
    kernel.assign(values)


def _group(x: KerasTensor, filters: int, convolutions: int) -> KerasTensor:
    """Convolutions; the side is halved after the first of them."""
    for number in range(convolutions):
        # PyTorch's default, as airbench94 has it. With batch norm behind, what counts is how far a step goes
        # beside the weights: He's, 2.4 times as large, learn as at a sixth of the rate.
        initial = keras.initializers.VarianceScaling(1 / 3, distribution="uniform")
        convolution = layers.Conv2D(filters, 3, padding="same", use_bias=False, kernel_initializer=initial)
        x = convolution(x)
        _pass_on(convolution.kernel)
        if number == 0:
            x = layers.MaxPooling2D()(x)
        x = layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM, scale=False)(x)
        x = layers.ReLU()(x)
    return x
