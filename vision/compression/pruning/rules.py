"""How channels go through each kind of layer: made, passed on, tied or joined; unknown layers freeze theirs.

The channels are those of a tensor's last axis.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from vision.compression.pruning.channels import ChannelMap, ChannelTracer, Numbers


def trace_channels(model: keras.Model) -> ChannelMap:
    """The channels of a functional or sequential model, and what depends on them."""
    graph = getattr(model, "_functional", None) or model  # a Sequential keeps its graph there
    tracer, numbers = ChannelTracer(), dict[int, Numbers]()
    for depth in sorted(graph._nodes_by_depth, reverse=True):
        for node in graph._nodes_by_depth[depth]:
            rule = RULES.get(type(node.operation).__name__, _stop)
            given = rule(tracer, node, [numbers[id(tensor)] for tensor in node.input_tensors])
            numbers.update({id(tensor): given for tensor in node.outputs})
    for tensor in graph.outputs:
        tracer.freeze(numbers[id(tensor)], "gives the network's outputs")
    return tracer.result()


Rule = Callable[[ChannelTracer, Any, list[Numbers]], Numbers]


def _stop(tracer: ChannelTracer, node: Any, inputs: list[Numbers]) -> Numbers:
    """Nobody knows what becomes of channels here, so none of them may go."""
    for numbers in inputs:
        tracer.freeze(numbers, _meets(node))
    return _new_frozen(tracer, node)


def _produce(tracer: ChannelTracer, node: Any, inputs: list[Numbers]) -> Numbers:
    layer = node.operation
    if getattr(layer, "groups", 1) > 1:
        return _stop(tracer, node, inputs)
    outputs = tracer.produced(layer.name, node.outputs[0].shape[-1])
    tracer.altered(layer.name, inputs[0], outputs)
    return outputs


def _pass_on(tracer: ChannelTracer, node: Any, inputs: list[Numbers]) -> Numbers:
    return inputs[0]


def _pass_on_altered(tracer: ChannelTracer, node: Any, inputs: list[Numbers]) -> Numbers:
    """Each channel by itself, by weights or settings that are of so many channels."""
    if node.outputs[0].shape[-1] != len(inputs[0]):
        return _stop(tracer, node, inputs)
    tracer.altered(node.operation.name, inputs[0], inputs[0])
    return inputs[0]


def _merge(tracer: ChannelTracer, node: Any, inputs: list[Numbers]) -> Numbers:
    """Place by place, but for an input of one channel, which meets all of the other's."""
    widest = max(inputs, key=len)
    for numbers in inputs:
        if len(numbers) == len(widest):
            tracer.tie(widest, numbers)
    return widest


def _concatenate(tracer: ChannelTracer, node: Any, inputs: list[Numbers]) -> Numbers:
    if _is_last(node.operation.axis, node):
        return np.concatenate(inputs)
    return _merge(tracer, node, inputs)


def _flatten(tracer: ChannelTracer, node: Any, inputs: list[Numbers]) -> Numbers:
    """Every place of the image has all of the channels."""
    length = node.outputs[0].shape[-1]
    return _stop(tracer, node, inputs) if length is None else np.tile(inputs[0], length // len(inputs[0]))


def _reduce(tracer: ChannelTracer, node: Any, inputs: list[Numbers]) -> Numbers:
    """A mean or maximum of the channels takes those that are left; of places, it passes channels on."""
    if any(_is_last(axis, node) for axis in node.operation.axis or [-1]):
        return _new_frozen(tracer, node)
    return inputs[0]


def _new_frozen(tracer: ChannelTracer, node: Any) -> Numbers:
    outputs = tracer.new(node.outputs[0].shape[-1] or 1)
    tracer.freeze(outputs, _meets(node))
    return outputs


def _meets(node: Any) -> str:
    return f'meets "{node.operation.name}" ({type(node.operation).__name__})'


def _is_last(axis: int, node: Any) -> bool:
    return axis in (-1, len(node.input_tensors[0].shape) - 1)


# By name, since layers and operators share theirs: `x + y` makes an Add too. A mean or maximum of channels,
# and LayerNormalization, are of fewer channels afterwards: only there do those that stay come out otherwise.
RULES: dict[str, Rule] = {
    **dict.fromkeys(("Conv2D", "Dense"), _produce),
    **dict.fromkeys(
        ("BatchNormalization", "LayerNormalization", "LayerScale", "DepthwiseConv2D", "Reshape"),
        _pass_on_altered,
    ),
    **dict.fromkeys(("Activation", "ReLU", "Dropout", "StochasticDepth", "Rescaling"), _pass_on),
    **dict.fromkeys(("ZeroPadding2D", "MaxPooling2D", "AveragePooling2D"), _pass_on),
    **dict.fromkeys(("GlobalAveragePooling2D", "GlobalMaxPooling2D"), _pass_on),
    **dict.fromkeys(("Add", "Multiply"), _merge),
    **dict.fromkeys(("Mean", "Max", "Sum"), _reduce),
    "Concatenate": _concatenate,
    "Flatten": _flatten,
}
