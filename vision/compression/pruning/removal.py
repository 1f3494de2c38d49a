"""The same network without some of its channels: the layers keep their names, their weights what is left."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from vision.compression.pruning.channels import ChannelMap

# The setting that says how many channels a layer gives; others follow their input.
WIDTH = {"Conv2D": "filters", "Dense": "units", "LayerScale": "projection_dim"}


def without_channels(model: keras.Model, channels: ChannelMap, keep: NDArray[np.bool_]) -> keras.Model:
    """A new functional model with the channels that `keep` (count,) says; `model` stays as it is."""
    left = {name: (keep[channels.inputs[name]], keep[outputs]) for name, outputs in channels.outputs.items()}

    def shrink(operation: Any) -> Any:
        config = operation.get_config()
        if operation.name in left:
            config |= _narrower(type(operation).__name__, config, int(left[operation.name][1].sum()))
        return type(operation).from_config(config)

    # Keras would name the input after a tensor.
    inputs = keras.Input(model.input_shape[1:])
    smaller = keras.models.clone_model(model, input_tensors=inputs, clone_function=shrink)
    for layer in (layer for layer in model.layers if layer.weights):
        twin, weights = smaller.get_layer(layer.name), layer.get_weights()
        if layer.name in left:
            weights = [_sliced(weight, layer, *left[layer.name]) for weight in weights]
        twin.set_weights(weights)
        for variable, before in zip(twin.weights, layer.weights, strict=True):
            variable.trainable = before.trainable  # no setting says it of a single variable
    return smaller


def _narrower(kind: str, config: dict[str, Any], width: int) -> dict[str, Any]:
    if kind == "Reshape":
        return {"target_shape": (*config["target_shape"][:-1], width)}
    return {WIDTH[kind]: width} if kind in WIDTH else {}


def _sliced(
    weight: NDArray[Any], layer: keras.layers.Layer, inputs: NDArray[np.bool_], outputs: NDArray[np.bool_]
) -> NDArray[Any]:
    """Kernels are (..., inputs, outputs), of depthwise convolutions (..., inputs, 1), others (outputs,)."""
    if weight.ndim > 1:
        weight = weight[..., inputs, :]
        if isinstance(layer, layers.DepthwiseConv2D):
            return weight
    return weight[..., outputs]
