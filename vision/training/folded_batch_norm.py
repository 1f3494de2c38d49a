"""Frozen batch norm as a part of the convolution before it.

A batch norm that is not trained scales and shifts each channel by constants. With them in the kernel and the
bias, a training passes over the convolution's outputs three times less often: twice forwards, once backwards.
(Jacob et al. 2018, "Quantization and training of neural networks", section 3.2, which does it for inference.)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import keras
from keras import ops

CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)


def frozen_pairs(network: keras.Model) -> Iterator[tuple[keras.Layer, keras.Layer]]:
    """Each convolution whose outputs go to one frozen batch norm and nowhere else, and that batch norm.

    Of a network that is not made of layers in a graph there are none.
    """
    by_depth = getattr(network, "_nodes_by_depth", {})
    nodes = [node for level in by_depth.values() for node in level]
    calls = Counter(id(node.operation) for node in nodes)
    uses = Counter(id(tensor) for node in nodes for tensor in node.input_tensors)
    uses.update(id(tensor) for tensor in getattr(network, "outputs", ()))
    makers = {id(tensor): node.operation for node in nodes for tensor in node.output_tensors}
    for node in nodes:
        norm = node.operation
        if type(norm) is not keras.layers.BatchNormalization or norm.trainable:
            continue
        outputs = id(node.input_tensors[0])
        convolution = makers[outputs]
        once = calls[id(norm)] == calls[id(convolution)] == uses[outputs] == 1
        if once and norm.axis in (3, -1) and _is_linear(convolution, norm.compute_dtype):
            yield convolution, norm


def _is_linear(layer: keras.Operation, dtype: str) -> bool:
    if type(layer) not in CONVOLUTIONS or layer.data_format != "channels_last":
        return False
    return layer.activation is keras.activations.linear and layer.compute_dtype == dtype


def folded_call(convolution: keras.Layer, norm: keras.layers.BatchNormalization) -> Callable[[Any], Any]:
    """What to call in place of both: images (N, H, W, C) -> (N, H', W', F)."""
    import tensorflow as tf

    def call(images: Any) -> Any:
        scale = ops.rsqrt(norm.moving_variance + norm.epsilon)
        if norm.scale:
            scale *= ops.cast(norm.gamma, scale.dtype)
        shift = -norm.moving_mean
        if convolution.use_bias:
            shift += ops.cast(convolution.bias, scale.dtype)
        offset = shift * scale
        if norm.center:
            offset += ops.cast(norm.beta, scale.dtype)
        kernel = ops.cast(convolution.kernel, scale.dtype)
        # Of a depthwise one the last two axes together are the channels of the outputs.
        depthwise = type(convolution) is keras.layers.DepthwiseConv2D
        kernel *= ops.reshape(scale, kernel.shape[2:]) if depthwise else scale
        convolve = _depthwise(convolution) if depthwise else convolution.convolution_op
        return tf.nn.bias_add(convolve(images, ops.cast(kernel, images.dtype)), tf.cast(offset, images.dtype))

    return call


def _depthwise(layer: keras.layers.DepthwiseConv2D) -> Callable[[Any, Any], Any]:
    def convolve(images: Any, kernel: Any) -> Any:
        return ops.depthwise_conv(
            images, kernel, strides=layer.strides, padding=layer.padding, dilation_rate=layer.dilation_rate,
            data_format=layer.data_format,
        )  # fmt: skip

    return convolve
