"""What Keras' layers compute in a training, by TensorFlow's quicker operations for processors.

Keras makes batch norm of a dozen operations that each pass over the whole batch; TensorFlow has one for all,
and where it is frozen none is needed (folded_batch_norm.py).
And oneDNN sums the gradient of a convolution's kernel image by image, each time through the whole kernel in
float32: for small maps of many channels that is most of a step. XLA (JAX, GPUs) does neither. Of smooth
activations it makes one operation (fused_activation.py).
`python -m benchmarks throughput` measures what this gains.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras

from vision.training.folded_batch_norm import folded_call, frozen_pairs
from vision.training.fused_activation import fused_call, is_fusible
from vision.training.several_workers import this_worker

# Measured with AMX, 250 images in bfloat16. 256 channels to 256, 7 x 7: 26 ms before, 18 ms so; 384 to 384:
# 69 and 28 ms, of 3 x 3: 44 and 7 ms. But 128 to 128, 8 x 8: 8 and 11 ms; 128 to 384, 11 x 11: 34 and 31 ms.
LARGEST_MAP = 8 * 8
SMALLEST_KERNEL = 256 * 256  # channels in, times channels out
# What TensorFlow's batch norm replaces a smaller one by.
SMALLEST_EPSILON = 1.001e-5

Overrides = dict[str, Callable[..., Any]]


@contextmanager
def quick_layers(network: keras.Model) -> Iterator[None]:
    """Inside, the network trains quicker where it is TensorFlow's and on a processor, to the same weights
    but for rounding. The overrides live in the layers' objects and end with it: nothing of them is saved.
    """
    changed: dict[keras.Layer, Overrides] = {}
    if _is_tensorflow_on_a_processor():
        changed = {layer: _overrides(layer) for layer in network._flatten_layers()}
        for convolution, norm in frozen_pairs(network):
            changed[convolution]["call"] = folded_call(convolution, norm)
            changed[norm]["call"] = _unchanged
    for layer, overrides in changed.items():
        vars(layer).update(overrides)
    try:
        yield
    finally:
        for layer, overrides in changed.items():
            for name in overrides:
                del vars(layer)[name]


def _unchanged(inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
    return inputs


def _is_tensorflow_on_a_processor() -> bool:
    on_processor: bool = keras.distribution.list_devices()[0].startswith("cpu")
    return on_processor and keras.backend.backend() == "tensorflow"


def _overrides(layer: keras.Layer) -> Overrides:
    if type(layer) is keras.layers.Conv2D and _keeps_the_size(layer):
        return {"convolution_op": _quick_convolution(layer)}
    # Several workers exchange their moments (several_workers.py).
    if type(layer) is keras.layers.BatchNormalization and this_worker().count == 1 and _is_plain(layer):
        return {"call": _quick_batch_norm(layer)}
    return {"call": fused_call(layer)} if is_fusible(layer) else {}


def _keeps_the_size(layer: keras.layers.Conv2D) -> bool:
    is_dense = layer.strides == layer.dilation_rate == (1, 1) and layer.groups == 1
    is_odd = all(side % 2 == 1 for side in layer.kernel_size)
    return is_dense and is_odd and layer.padding == "same" and layer.data_format == "channels_last"


def _is_plain(layer: keras.layers.BatchNormalization) -> bool:
    of_images = layer.input_spec.ndim == 4 and layer.axis in (3, -1)
    fits = layer.epsilon >= SMALLEST_EPSILON and layer.compute_dtype != "float64"
    return of_images and fits and not (layer.renorm or layer.synchronized)


def _quick_convolution(layer: keras.layers.Conv2D) -> Callable[[Any, Any], Any]:
    usual = layer.convolution_op

    def convolve(images: Any, kernel: Any) -> Any:
        _, height, width, channels = images.shape
        is_small = height is not None and width is not None and height * width <= LARGEST_MAP
        if images.dtype != "bfloat16" or not is_small or channels * layer.filters < SMALLEST_KERNEL:
            return usual(images, kernel)
        return _convolution(images, keras.ops.cast(kernel, images.dtype))

    return convolve


def _convolution(images: Any, kernel: Any) -> Any:
    """Of images (N, H, W, C) and a kernel (h, w, C, F) with odd sides: (N, H, W, F)."""
    import tensorflow as tf

    @tf.custom_gradient
    def convolve(images: Any, kernel: Any) -> tuple[Any, Callable[[Any], tuple[Any, Any]]]:
        def gradients(upstream: Any) -> tuple[Any, Any]:
            of_images = tf.nn.conv2d_transpose(upstream, kernel, tf.shape(images), strides=1)
            return of_images, _kernel_gradient(images, upstream, kernel.shape)

        return tf.nn.conv2d(images, kernel, strides=1, padding="SAME"), gradients

    return convolve(images, kernel)


def _kernel_gradient(images: Any, upstream: Any, kernel_shape: Any) -> Any:
    """(h, w, C, F): a product for each place in the kernel, of what lay under it over all images at once."""
    import tensorflow as tf

    kernel_height, kernel_width, channels, filters = kernel_shape
    _, height, width, _ = images.shape
    sides = [(side // 2, side // 2) for side in (kernel_height, kernel_width)]
    padded = tf.pad(images, [(0, 0), *sides, (0, 0)])
    answers = tf.reshape(upstream, (-1, filters))
    places = [
        tf.reshape(padded[:, top : top + height, left : left + width], (-1, channels))
        for top in range(kernel_height)
        for left in range(kernel_width)
    ]
    products = [tf.matmul(place, answers, transpose_a=True) for place in places]
    return tf.reshape(tf.stack(products), kernel_shape)


def _quick_batch_norm(layer: keras.layers.BatchNormalization) -> Callable[..., Any]:
    usual = layer.call

    def call(inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        if not training or not layer.trainable or mask is not None:
            return usual(inputs, training=training, mask=mask)
        outputs, mean, variance = _batch_norm(layer, inputs)
        for moving, value in ((layer.moving_mean, mean), (layer.moving_variance, variance)):
            moving.assign(moving * layer.momentum + value * (1.0 - layer.momentum))
        return outputs

    return call


def _batch_norm(layer: keras.layers.BatchNormalization, inputs: Any) -> tuple[Any, Any, Any]:
    """Outputs (N, H, W, C), and the mean and variance (C,) of the batch."""
    import tensorflow as tf

    channels = inputs.shape[-1]
    scale = layer.gamma if layer.scale else tf.ones(channels)
    offset = layer.beta if layer.center else tf.zeros(channels)
    outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
        tf.cast(inputs, layer.compute_dtype), tf.convert_to_tensor(scale), tf.convert_to_tensor(offset),
        epsilon=layer.epsilon,
    )  # fmt: skip
    count = tf.cast(tf.size(inputs) // channels, variance.dtype)
    return (
        outputs,
        mean,
        variance * (count - 1) / count,
    )  # of a sample it gives; Keras keeps that of the batch
